"""Modular exponentiation for ports that are built without 3-argument pow (ESP8266)."""


def modpow(base: int, exponent: int, modulus: int) -> int:
    """Return base ** exponent % modulus, by square and multiply from the left.

    Args:
        base: int.
        exponent: int, 0 or more.
        modulus: int, above 0.
    """
    mask = 1
    while mask <= exponent:
        mask <<= 1
    result = 1 % modulus
    while mask > 1:
        mask >>= 1
        result = result * result % modulus
        if exponent & mask:
            result = result * base % modulus
    return result
