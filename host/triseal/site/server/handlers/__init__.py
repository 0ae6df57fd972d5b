"""The answers to a node's messages: a module for each kind of message."""
