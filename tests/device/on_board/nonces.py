"""Whether nonces differ; a test may have random numbers be stuck before it draws."""

from nlsm import clock


class Stuck:
    """An `os` whose random numbers are always the same."""

    @staticmethod
    def urandom(count):
        return b"\xff" * count


def draw():
    """Draw a hundred nonces, and print how many differ and what their sizes are."""
    nonces = set()
    for _ in range(100):
        nonces.add(clock.Question().nonce)
    print(len(nonces), {len(one) for one in nonces}, len(clock.draw(4)))
