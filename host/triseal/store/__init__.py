"""The Store: knows developers, checks what they submit, countersigns it and keeps it."""
