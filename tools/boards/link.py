"""The former name of `boards.board`: it goes with the next release."""

from boards.board import Board

__all__ = ["Board"]
