"""Which module takes what a site seal is of."""

from nlsm import download


def others(names, seal):
    """Print the name of the module for each name; None for a service."""
    for name in names:
        found = download._other(name, seal)
        print(found and found.__name__)
