"""The server process of a site: it serves nodes over TLS and serial lines."""
