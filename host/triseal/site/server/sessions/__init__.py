"""Connected nodes: one session each, from its first message to the end of its connection."""
