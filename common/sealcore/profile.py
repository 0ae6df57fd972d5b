"""What all of Triseal's end-entity certificates have in common: extensions of one exact form.

A certificate of the profile holds nothing that the profile does not name, each in its one form. So
it is read by comparing rather than by parsing, and two can be held against each other whole.
"""

from . import errors
from .certificate import Certificate
from .compat import const
from .der import single

KEY_USAGE = b"\x55\x1d\x0f"
SUBJECT_ALT_NAME = b"\x55\x1d\x11"
BASIC_CONSTRAINTS = b"\x55\x1d\x13"
AUTHORITY_KEY_ID = b"\x55\x1d\x23"
EXT_KEY_USAGE = b"\x55\x1d\x25"

# The one DER value that the profile allows for each of these.
DIGITAL_SIGNATURE = b"\x03\x02\x07\x80"
NOT_A_CA = b"\x30\x00"
TLS_BOTH_SIDES = (
    b"\x30\x14\x06\x08\x2b\x06\x01\x05\x05\x07\x03\x01\x06\x08\x2b\x06\x01\x05\x05\x07\x03\x02"
)

_URI = const(0x86)  # GeneralName uniformResourceIdentifier
_MAX_URI = const(256)
_KEY_ID_HEAD = b"\x30\x16\x80\x14"
_KEY_ID_OCTETS = const(20)


class ProfileCertificate(Certificate):
    """A certificate whose extensions are those that are due, a key identifier perhaps, no other.

    uri    the SPIFFE ID in its subjectAltName; "" if there is none
    """

    def __init__(self, der, purposes: bytes, more: dict):
        """
        Args:
            der: the certificate.
            purposes: the value of its extended key usage.
            more: {object identifier: value, or None for any}, beside those that all have.

        Raises: MalformedDER, UnsupportedCertificate or ProfileViolation.
        """
        more[KEY_USAGE] = DIGITAL_SIGNATURE
        more[BASIC_CONSTRAINTS] = NOT_A_CA
        more[EXT_KEY_USAGE] = purposes
        more[AUTHORITY_KEY_ID] = None
        self._due = more
        self.uri = ""
        Certificate.__init__(self, der)
        more.pop(AUTHORITY_KEY_ID, None)
        if more:
            raise errors.ProfileViolation("extensions are missing")

    def on_extension(self, kind: bytes, critical: bool, value) -> None:
        if kind not in self._due or critical != (kind in (KEY_USAGE, BASIC_CONSTRAINTS)):
            raise errors.ProfileViolation("extension " + kind.hex())
        due = self._due.pop(kind)
        if kind == SUBJECT_ALT_NAME:
            names = single(value)
            self.uri = names.text(1, _MAX_URI, _URI)
            names.end()
        elif kind == AUTHORITY_KEY_ID:
            due = _KEY_ID_HEAD + bytes(value[-_KEY_ID_OCTETS:])
        if due is not None and value != due:
            raise errors.ProfileViolation("value of extension " + kind.hex())
