"""Random numbers of a board as poor as a test makes them, by its own `byte(i)`."""

import nlsm.enrol


class Source:
    """An `os` with a generator that was seeded with a constant."""

    state = 1

    @staticmethod
    def urandom(count):
        found = bytearray(count)
        for i in range(count):
            Source.state = (Source.state * 1664525 + 1013904223) & 0xFFFFFFFF
            found[i] = byte(i)
        return bytes(found)


def byte(i):
    return Source.state >> 24


nlsm.enrol.os = Source
