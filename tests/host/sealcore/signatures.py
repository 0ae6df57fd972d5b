"""What sealcore says of the signatures in a file, a line for each: run by both interpreters.

    MICROPYPATH=common:.frozen micropython tests/host/sealcore/signatures.py FILE

Each line of FILE is a scheme and four values in hex, commas between them:

    rsa,MODULUS,EXPONENT,MESSAGE,SIGNATURE
    p256,X,Y,MESSAGE,SIGNATURE

A verdict is a refusal's code, or "-".
"""

import sys
from binascii import unhexlify

from sealcore import errors, p256, rsa


def key(scheme: str, first: int, second: int) -> rsa.PublicKey | p256.PublicKey:
    """The public key of these two numbers."""
    if scheme == "rsa":
        return rsa.PublicKey(first, second)
    return p256.PublicKey(first, second)


def verdict(line: str) -> str:
    """The verdict on one line."""
    scheme, first, second, message, signature = line.rstrip("\n").split(",")
    try:
        public = key(scheme, int(first, 16), int(second, 16))
        public.verify(unhexlify(message), unhexlify(signature))
    except errors.SealError as refusal:
        return str(refusal.code)
    return "-"


def main(path: str) -> None:
    """Print each verdict."""
    with open(path) as lines:  # noqa: PTH123 - MicroPython has no pathlib
        for line in lines:
            print(verdict(line))


if __name__ == "__main__":
    main(sys.argv[1])
