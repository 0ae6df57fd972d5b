"""The sessions of connected nodes, from the first message to the end of the connection."""
