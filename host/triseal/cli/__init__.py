"""The command line: it parses and prints, and leaves everything else to the libraries."""
