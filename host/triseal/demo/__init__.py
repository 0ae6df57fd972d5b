"""`make demo`: one service from its developer to a board; then every tampering is refused."""
