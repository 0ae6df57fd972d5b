"""Triseal on a host: developer, Store and site of the chain of custody, and their commands."""
