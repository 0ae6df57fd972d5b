"""Migrations of the Store's database, one in each module; see `triseal.migrate`."""
