"""Refusals: made when first asked for, each with its stable code."""

from checks import raises
from sealcore import errors

CODES = (
    ("MalformedDER", "malformed-der"),
    ("BadSignature", "bad-signature"),
    ("Expired", "expired"),
    ("NotYetValid", "not-yet-valid"),
    ("UnknownCriticalExtension", "unknown-critical-extension"),
    ("TooLarge", "too-large"),
    ("Rollback", "rollback"),
)


def test_each_has_its_code():
    for name, code in CODES:
        leaf = getattr(errors, name)
        assert leaf.code == code
        assert leaf("detail").code == code
        assert issubclass(leaf, errors.SealError)


def test_each_is_made_once():
    for name, _ in CODES:
        assert getattr(errors, name) is getattr(errors, name)
    assert errors.Expired is not errors.NotYetValid


def test_its_text_is_the_detail_alone():
    assert str(errors.TooLarge("grants")) == "grants"
    assert str(errors.TooLarge()) == ""


def test_each_is_caught_by_its_name_and_as_a_refusal():
    for expected in (errors.WrongKey, errors.SealError):
        try:
            raise errors.WrongKey("text")
        except expected as error:
            assert error.args == ("text",)


def test_a_private_name_is_none():
    raises(AttributeError, getattr, errors, "_Missing")
    raises(AttributeError, getattr, errors, "__path__")
