"""What all of Triseal's end-entity certificates have in common: extensions of one exact form."""

from . import extensions
from .errors import ProfileViolation

# The one DER value that the profile allows for each of these.
DIGITAL_SIGNATURE = b"\x03\x02\x07\x80"
NOT_A_CA = b"\x30\x00"
CODE_SIGNING = b"\x30\x0a\x06\x08\x2b\x06\x01\x05\x05\x07\x03\x03"
TLS_BOTH_SIDES = (
    b"\x30\x14\x06\x08\x2b\x06\x01\x05\x05\x07\x03\x01\x06\x08\x2b\x06\x01\x05\x05\x07\x03\x02"
)
NO_REVOCATION = b"\x05\x00"

_CRITICAL = (extensions.KEY_USAGE, extensions.BASIC_CONSTRAINTS)
_OPTIONAL = (extensions.SUBJECT_KEY_ID, extensions.AUTHORITY_KEY_ID)
_ALWAYS = ((extensions.KEY_USAGE, DIGITAL_SIGNATURE), (extensions.BASIC_CONSTRAINTS, NOT_A_CA))


def check_extensions(certificate, due) -> None:
    """The certificate has the extensions that are due, key identifiers perhaps, and no other.

    Args:
        certificate: x509.Certificate.
        due: pairs of an extension's object identifier and its value, None for any value; they
            come on top of keyUsage digitalSignature and basicConstraints without CA.

    Raises:
        ProfileViolation: one is missing, differs, has the wrong criticality or is too many.
    """
    due = _ALWAYS + due
    for kind, value in due:
        extension = certificate.extensions.get(kind)
        if extension is None or (value is not None and extension.value != value):
            raise ProfileViolation("extension " + kind.hex())
    allowed = _OPTIONAL + tuple(kind for kind, _ in due)
    for kind in certificate.extensions:
        extension = certificate.extensions[kind]
        if kind not in allowed or extension.critical != (kind in _CRITICAL):
            raise ProfileViolation("extension " + kind.hex())
