"""The entrances of the server: TLS connections and serial lines, until a node is known."""
