"""What a site keeps in its database: the tables, and the reads and writes of each."""
