"""Check the form of the standard extensions that `x509` does not use (RFC 5280 section 4.2).

Their content decides nothing here. If one of them is critical, `x509.check_issued` refuses.
"""

from . import errors, extensions, generalnames, policies, x501
from .compat import const
from .der import Reader, single

_INTEGER = const(0x02)
_OID = const(0x06)
_SET = const(0x31)
_CONTEXT = const(0x80)
_TAGGED = const(0xA0)  # context-specific and constructed

_CE = b"\x55\x1d"  # id-ce
_PE = b"\x2b\x06\x01\x05\x05\x07\x01"  # id-pe


def _count(reader: Reader, tag: int = _INTEGER) -> None:
    """Read SkipCerts: an integer that is not negative."""
    if reader.integer(tag) < 0:
        raise errors.MalformedDER


def _identifier(reader: Reader) -> None:
    x501.check_oid(reader.value(_OID))


def _attribute(item: Reader) -> None:
    """Read a type, and a SET of its values: at least one, in order."""
    _identifier(item)
    values = item.enter(_SET)
    previous = b""
    while not previous or values.peek() >= 0:
        value = bytes(values.element())
        if value < previous:
            raise errors.MalformedDER
        previous = value


def _mapping(item: Reader) -> None:
    _identifier(item)
    _identifier(item)


def _description(item: Reader) -> None:
    _identifier(item)
    generalnames.read(item)


def _subtree(item: Reader) -> None:
    """Read the base, [0] minimum and [1] maximum. RFC 5280 forbids the last two; here they are
    allowed."""
    generalnames.read(item, 2)
    if item.peek() == _CONTEXT and item.integer(_CONTEXT) < 1:  # 0 is the DEFAULT
        raise errors.MalformedDER
    if item.peek() >= 0:
        _count(item, _CONTEXT | 1)


def _distribution_point(item: Reader) -> None:
    """Read [0] distributionPoint, [1] reasons, [2] cRLIssuer: at least the first or the last."""
    named = item.peek() == _TAGGED
    if named:
        name = item.enter(_TAGGED)
        if name.peek() == _TAGGED | 1:
            x501.check_rdn(name.enter(_TAGGED | 1))
        else:
            generalnames.read_all(name.enter(_TAGGED))
        name.end()
    if item.peek() == _CONTEXT | 1:
        extensions.named_bits(item.octets(1, 3, _CONTEXT | 1))
    if item.peek() >= 0 or not named:
        generalnames.read_all(item.enter(_TAGGED | 2))


def _policy_constraints(reader: Reader) -> None:
    """Read [0] requireExplicitPolicy, [1] inhibitPolicyMapping: at least one of them."""
    if reader.peek() != _CONTEXT | 1:
        _count(reader, _CONTEXT)
    if reader.peek() >= 0:
        _count(reader, _CONTEXT | 1)


def _name_constraints(reader: Reader) -> None:
    """Read [0] permittedSubtrees, [1] excludedSubtrees: at least one of them."""
    if reader.peek() != _TAGGED | 1:
        policies.each(reader.enter(_TAGGED), _subtree)
    if reader.peek() >= 0:
        policies.each(reader.enter(_TAGGED | 1), _subtree)


# All of these are a SEQUENCE; the functions read its inside.
_IN_SEQUENCE = {
    _CE + b"\x12": generalnames.read_all,  # issuerAltName
    _CE + b"\x1e": _name_constraints,
    _CE + b"\x24": _policy_constraints,
}
# These are a SEQUENCE OF SEQUENCE; the functions read the inside of one.
_IN_EACH = {
    _CE + b"\x09": _attribute,  # subjectDirectoryAttributes
    _CE + b"\x1f": _distribution_point,  # cRLDistributionPoints
    _CE + b"\x20": policies.read,  # certificatePolicies
    _CE + b"\x21": _mapping,  # policyMappings
    _CE + b"\x2e": _distribution_point,  # freshestCRL
    _PE + b"\x01": _description,  # authorityInfoAccess
    _PE + b"\x0b": _description,  # subjectInfoAccess
}
_INHIBIT_ANY_POLICY = _CE + b"\x36"


def check(kind: bytes, value) -> None:
    """Check that the value of one of these extensions is well-formed; others pass.

    Args:
        kind: its object identifier, encoded.
        value: the DER inside the extension.

    Raises: MalformedDER.
    """
    if kind in _IN_SEQUENCE:
        reader = single(value)
        _IN_SEQUENCE[kind](reader)
        reader.end()
    elif kind in _IN_EACH:
        policies.each(single(value), _IN_EACH[kind])
    elif kind == _INHIBIT_ANY_POLICY:
        reader = Reader(value)
        _count(reader)
        reader.end()
