"""Moves /triseal into the folder that the first argument names. Import it first."""

import sys

from nlsm import keystore

keystore.ROOT = sys.argv[1]

from nlsm import floors  # noqa: E402 - after the root has moved

floors._FILE = keystore.ROOT + "/floors"
