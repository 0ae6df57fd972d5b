"""Modular exponentiation for ports that are built without 3-argument pow (ESP8266)."""


def modpow(base: int, exponent: int, modulus: int) -> int:
    """base ** exponent % modulus for exponent >= 0, by square and multiply from the left."""
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
