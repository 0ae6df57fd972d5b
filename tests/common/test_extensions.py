"""The extensions that are understood: the values that they may have."""

from binascii import unhexlify

from checks import row
from sealcore import extensions, x509
from specimens import certificate, extension, listed, name

BASIC_CONSTRAINTS = "551d13"
KEY_USAGE = "551d0f"
EXT_KEY_USAGE = "551d25"
SUBJECT_ALT_NAME = "551d11"
SUBJECT_KEY_ID = "551d0e"
AUTHORITY_KEY_ID = "551d23"
NO_REV_AVAIL = "551d38"

NAME = "".join("%02x" % byte for byte in name("a"))
NAME_LENGTH = "%02x" % (len(NAME) // 2)

MALFORMED = (
    ("constraints with FALSE written", BASIC_CONSTRAINTS, "3003010100"),
    ("constraints with a TRUE of BER", BASIC_CONSTRAINTS, "3003010101"),
    ("constraints with a TRUE of two bytes", BASIC_CONSTRAINTS, "30040102ffff"),
    ("constraints with an empty TRUE", BASIC_CONSTRAINTS, "30020100"),
    ("constraints with something behind", BASIC_CONSTRAINTS, "30030101ff00"),
    ("constraints with a third part", BASIC_CONSTRAINTS, "30080101ff0201000500"),
    ("constraints out of order", BASIC_CONSTRAINTS, "30060201000101ff"),
    ("constraints that are no SEQUENCE", BASIC_CONSTRAINTS, "0101ff"),
    ("constraints of no bytes", BASIC_CONSTRAINTS, ""),
    ("a negative path length", BASIC_CONSTRAINTS, "30060101ff0201ff"),
    ("a path length with a leading zero", BASIC_CONSTRAINTS, "30070101ff02020001"),
    ("an empty path length", BASIC_CONSTRAINTS, "30050101ff0200"),
    ("usage without a bit", KEY_USAGE, "030100"),
    ("usage without an byte", KEY_USAGE, "0300"),
    ("usage of zeros", KEY_USAGE, "03020700"),
    ("usage with a trailing zero bit", KEY_USAGE, "03020680"),
    ("usage with all trailing zero bits", KEY_USAGE, "03020080"),
    ("usage with a trailing zero byte", KEY_USAGE, "0303008000"),
    ("usage with ones among the unused bits", KEY_USAGE, "03020781"),
    ("usage with eight unused bits", KEY_USAGE, "03020880"),
    ("usage with 255 unused bits", KEY_USAGE, "0302ff80"),
    ("usage of three bytes", KEY_USAGE, "030400808001"),
    ("usage that is an OCTET STRING", KEY_USAGE, "04020780"),
    ("usage with something behind", KEY_USAGE, "0302078000"),
    ("no purpose", EXT_KEY_USAGE, "3000"),
    ("a purpose that is no identifier", EXT_KEY_USAGE, "30020500"),
    ("a purpose of no bytes", EXT_KEY_USAGE, "30020600"),
    ("a purpose that does not end", EXT_KEY_USAGE, "300406025583"),
    ("a purpose with padding", EXT_KEY_USAGE, "30050603558003"),
    ("a second purpose that is none", EXT_KEY_USAGE, "3006060255030500"),
    ("purposes with something behind", EXT_KEY_USAGE, "300406025503" + "00"),
    ("no name", SUBJECT_ALT_NAME, "3000"),
    ("names that are a SET", SUBJECT_ALT_NAME, "3103820161"),
    ("a host name beyond ASCII", SUBJECT_ALT_NAME, "30038201e4"),
    ("a mail address beyond ASCII", SUBJECT_ALT_NAME, "30038101e4"),
    ("a URI beyond ASCII", SUBJECT_ALT_NAME, "30038601e4"),
    ("a constructed host name", SUBJECT_ALT_NAME, "3005a2031603" + "61"),
    ("a primitive directory name", SUBJECT_ALT_NAME, "30048402" + "3000"),
    ("a directory name that is none", SUBJECT_ALT_NAME, "3004a4023100"),
    ("a name number 9", SUBJECT_ALT_NAME, "3003890161"),
    ("a universal tag", SUBJECT_ALT_NAME, "3003160161"),
    ("an address of three bytes", SUBJECT_ALT_NAME, "30058703010203"),
    ("an address with a mask", SUBJECT_ALT_NAME, "300a8708" + "01" * 8),
    ("an address of no bytes", SUBJECT_ALT_NAME, "30028700"),
    ("a registered identifier with padding", SUBJECT_ALT_NAME, "30058803" + "558003"),
    ("another name without value", SUBJECT_ALT_NAME, "3006a004" + "06025503"),
    ("another name without type", SUBJECT_ALT_NAME, "3006a004" + "a0020500"),
    ("another name with two values", SUBJECT_ALT_NAME, "300ca00a" + "06025503a00405000500"),
    ("another name with something behind", SUBJECT_ALT_NAME, "300ca00a" + "06025503a00205000500"),
    ("a second name that is none", SUBJECT_ALT_NAME, "30058201618700"),
    ("names with something behind", SUBJECT_ALT_NAME, "300382016100"),
    ("a key identifier in bits", SUBJECT_KEY_ID, "030200aa"),
    ("a key identifier with something behind", SUBJECT_KEY_ID, "0401aa00"),
    ("an authority's key identifier, constructed", AUTHORITY_KEY_ID, "3004a0020401"),
    ("an authority's name without serial", AUTHORITY_KEY_ID, "3005a103820161"),
    ("an authority's serial without name", AUTHORITY_KEY_ID, "3003820101"),
    ("an authority's serial with a leading zero", AUTHORITY_KEY_ID, "3009a10382016182020001"),
    ("an authority's parts out of order", AUTHORITY_KEY_ID, "300b8201018001aaa103820161"),
    ("an authority without names", AUTHORITY_KEY_ID, "3005a100820101"),
    ("an authority with something behind", AUTHORITY_KEY_ID, "30038001aa00"),
    ("no revocation that is not NULL", NO_REV_AVAIL, "0101ff"),
    ("no revocation of no bytes", NO_REV_AVAIL, ""),
    ("no revocation twice", NO_REV_AVAIL, "05000500"),
    ("no revocation in a BER length", NO_REV_AVAIL, "058100"),
)

UNSUPPORTED = (
    ("a path length where there is no CA", BASIC_CONSTRAINTS, "3003020100"),
    ("a path length of 2^31", BASIC_CONSTRAINTS, "300a0101ff02050080000000"),
    ("an X.400 address", SUBJECT_ALT_NAME, "3002a300"),
    ("an EDI party", SUBJECT_ALT_NAME, "3006a504a1020c00"),
)

ACCEPTED = (
    ("no CA", BASIC_CONSTRAINTS, "3000"),
    ("a CA", BASIC_CONSTRAINTS, "30030101ff"),
    ("a CA with path length 0", BASIC_CONSTRAINTS, "30060101ff020100"),
    ("a CA with path length 2^31 - 1", BASIC_CONSTRAINTS, "30090101ff02047fffffff"),
    ("the first usage", KEY_USAGE, "03020780"),
    ("the last usage", KEY_USAGE, "0303070080"),
    ("all usages", KEY_USAGE, "030307ff80"),
    ("eight usages", KEY_USAGE, "030200ff"),
    ("two purposes", EXT_KEY_USAGE, "30080602550306025504"),
    ("a host name", SUBJECT_ALT_NAME, "3003820161"),
    ("an IPv4 address", SUBJECT_ALT_NAME, "3006870401020304"),
    ("an IPv6 address", SUBJECT_ALT_NAME, "30128710" + "00" * 16),
    (
        "a directory name",
        SUBJECT_ALT_NAME,
        "%02x" % 0x30 + "%02x" % (len(NAME) // 2 + 2) + "a4" + NAME_LENGTH + NAME,
    ),
    ("a registered identifier", SUBJECT_ALT_NAME, "300488025503"),
    ("another name", SUBJECT_ALT_NAME, "300aa00806025503a0020500"),
    ("three names", SUBJECT_ALT_NAME, "3009820161810162860163"),
    ("a key identifier of 65 bytes", SUBJECT_KEY_ID, "0441" + "aa" * 65),
    ("a key identifier of no bytes", SUBJECT_KEY_ID, "0400"),
    ("an authority of which nothing is said", AUTHORITY_KEY_ID, "3000"),
    ("an authority's key identifier", AUTHORITY_KEY_ID, "30038001aa"),
    ("an authority's empty key identifier", AUTHORITY_KEY_ID, "30028000"),
    ("an authority's name and serial", AUTHORITY_KEY_ID, "3008a103820161820101"),
    ("all of an authority", AUTHORITY_KEY_ID, "300b8001aaa103820161820101"),
    ("no revocation", NO_REV_AVAIL, "0500"),
    ("an extension that is not understood", "2a0304", "ffff"),
)


def parse_with(kind, value):
    rest = listed(extension(unhexlify(kind), unhexlify(value)))
    return x509.parse(certificate(rest=rest))


def test_malformed_values_are_refused():
    for sentence, kind, value in MALFORMED:
        row(sentence, "malformed-der", parse_with, kind, value)


def test_values_that_are_not_supported_are_refused():
    for sentence, kind, value in UNSUPPORTED:
        row(sentence, "unsupported-certificate", parse_with, kind, value)


def test_values_that_are_well_formed_are_read():
    for sentence, kind, value in ACCEPTED:
        try:
            found = parse_with(kind, value).extensions
        except Exception as error:
            raise AssertionError("%s: %r" % (sentence, error))
        assert found == {unhexlify(kind): (False, unhexlify(value))}, sentence


def test_basic_constraints_say_how_long_a_path_is():
    for value, length in (
        ("3000", -1),
        ("30030101ff", extensions.NO_PATH_LENGTH),
        ("30060101ff020105", 5),
        ("30070101ff020200ff", 255),
        ("30090101ff02047fffffff", extensions.NO_PATH_LENGTH),
    ):
        assert extensions.basic_constraints(unhexlify(value)) == length


def test_each_usage_has_its_bit():
    for number, value in enumerate(
        ("0780", "0640", "0520", "0410", "0308", "0204", "0102", "0001", "070080")
    ):
        data = unhexlify("03%02x" % (len(value) // 2) + value)
        assert extensions.key_usage(data) == 1 << number, number
    assert extensions.KEY_CERT_SIGN == 1 << 5
