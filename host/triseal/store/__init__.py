"""The Store: it knows developers, checks what they submit, countersigns it and keeps it."""
