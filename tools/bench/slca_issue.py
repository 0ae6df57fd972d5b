"""Site seals that the SLCA issues per second on one core, beside signatures alone."""

import time
from collections.abc import Callable, Iterator

from bench import Figure
from bench._site import Site
from triseal.certificate import Validity
from triseal.signer import KeySigner, generate

_SECONDS = 1.0
_ROUNDS = 3
_BATCH = 16


def per_second(work: Callable[[], object], seconds: float = _SECONDS) -> float:
    """Return how often per second of processor time `work` can be done.

    Args:
        work: called again and again.
        seconds: to measure.
    """
    count = 0
    start = time.thread_time()
    while (spent := time.thread_time() - start) < seconds:
        for _ in range(_BATCH):
            work()
        count += _BATCH
    return count / spent


def measure() -> Iterator[Figure]:
    """Yield `slca.issue.*`: complete seals, DER; the baseline signs as many bytes with the same
    key."""
    for algorithm in ("rsa2048", "p256"):
        yield _measure(algorithm)


def _measure(algorithm: str) -> Figure:
    signer = KeySigner(generate(algorithm))
    authority, prepared = Site.one_template(signer)
    validity = Validity(now := int(time.time()), now + 5000)
    # Rounds in turn, so that a slow moment of the machine affects both.
    issued, raw = 0.0, 0.0
    for _ in range(_ROUNDS):
        issued = max(issued, per_second(lambda: authority.seal(prepared, validity).der))
        raw = max(raw, per_second(lambda: signer.sign(prepared.tbs)))
    return Figure(f"slca.issue.{algorithm}", issued, "1/s", raw)
