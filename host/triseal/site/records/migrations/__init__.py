"""Migrations of the site's database, one in each module; see `triseal.migrate`."""
