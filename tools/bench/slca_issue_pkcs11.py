"""Site seals per second with the site's key on a token, beside the same kind of key in a file."""

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from bench import Figure
from bench._site import Site
from tests.worlds import softhsm
from triseal.certificate import Validity
from triseal.keysource import NewKey
from triseal.signer import KeySigner, Signer, generate

_SECONDS = 1.0
_ROUNDS = 3


def measure() -> Iterator[Figure]:
    """Yield `slca.issue.pkcs11.*`: complete seals, DER, signed by SoftHSM; the baseline issues the
    same seals with a key in the memory of the process.

    Raises:
        RuntimeError: SoftHSM is not installed.
    """
    if softhsm.missing():
        raise RuntimeError(softhsm.missing())
    with tempfile.TemporaryDirectory() as folder:
        token = softhsm.Token(Path(folder))
        os.environ.update(token.environment)
        token.initialise()
        for algorithm in ("rsa2048", "p256"):
            new = NewKey(algorithm, softhsm.PIN.encode(), token.uri(algorithm))
            held = new.create(Path(folder) / algorithm)
            yield _measure(algorithm, held)


def _measure(algorithm: str, held: Signer) -> Figure:
    works = [_issue(held), _issue(KeySigner(generate(algorithm)))]
    # Rounds in turn, so that a slow moment of the machine affects both.
    best = [0.0, 0.0]
    for _ in range(_ROUNDS):
        best = [max(found, _per_second(work)) for found, work in zip(best, works, strict=True)]
    return Figure(f"slca.issue.pkcs11.{algorithm}", best[0], "1/s", best[1])


def _issue(signer: Signer) -> Callable[[], object]:
    authority, prepared = Site.one_template(signer)
    validity = Validity(now := int(time.time()), now + 5000)
    return lambda: authority.seal(prepared, validity).der


def _per_second(work: Callable[[], object]) -> float:
    """Return how often `work` can be done in a second: a token may wait, so time on the wall."""
    count = 0
    start = time.monotonic()
    while (spent := time.monotonic() - start) < _SECONDS:
        work()
        count += 1
    return count / spent
