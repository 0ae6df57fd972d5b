"""The handlers of a node's messages, a module for each kind of message."""
