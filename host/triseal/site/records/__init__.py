"""The records of a site: its tables in the database, and the functions that read and write them."""
