"""The standard extensions that are read for their form alone."""

from binascii import unhexlify

from checks import row
from sealcore import x509
from specimens import certificate, extension, listed

DIRECTORY_ATTRIBUTES = "551d09"
ISSUER_ALT_NAME = "551d12"
NAME_CONSTRAINTS = "551d1e"
DISTRIBUTION_POINTS = "551d1f"
POLICIES = "551d20"
MAPPINGS = "551d21"
POLICY_CONSTRAINTS = "551d24"
FRESHEST_CRL = "551d2e"
INHIBIT_ANY_POLICY = "551d36"
AUTHORITY_INFO = "2b06010505070101"
SUBJECT_INFO = "2b0601050507010b"

HOST = "820161"
SUBTREE = "3003" + HOST
ISSUER = "a203" + HOST
V4 = "870801020300ffffff00"
RDN = "300806035504031301" + "61"  # commonName, a PrintableString

CPS = "06082b06010505070201"
NOTICE = "06082b06010505070202"


def qualified(qualifier):
    """Hex of a policy with one qualifier, of less than 100 bytes."""
    value = qualifier
    for before in ("", "06022a03", ""):
        value = before + "30%02x" % (len(value) // 2) + value
    return "30%02x" % (len(value) // 2) + value


MALFORMED = (
    ("no attribute", DIRECTORY_ATTRIBUTES, "3000"),
    ("an attribute without values", DIRECTORY_ATTRIBUTES, "3008300606022a033100"),
    ("its values in a SEQUENCE", DIRECTORY_ATTRIBUTES, "300b300906022a033003020105"),
    ("its values out of order", DIRECTORY_ATTRIBUTES, "300e300c06022a033106020106020105"),
    ("something behind its values", DIRECTORY_ATTRIBUTES, "300d300b06022a0331030201050500"),
    ("no name", ISSUER_ALT_NAME, "3000"),
    ("a name number 9", ISSUER_ALT_NAME, "3003890161"),
    ("names with something behind", ISSUER_ALT_NAME, "3003" + HOST + "00"),
    ("no constraint", NAME_CONSTRAINTS, "3000"),
    ("no permitted subtree", NAME_CONSTRAINTS, "3002a000"),
    ("no excluded subtree", NAME_CONSTRAINTS, "3002a100"),
    ("excluded before permitted", NAME_CONSTRAINTS, "300ea105" + SUBTREE + "a005" + SUBTREE),
    ("a third list of subtrees", NAME_CONSTRAINTS, "3007a205" + SUBTREE),
    ("a list in a tag too many", NAME_CONSTRAINTS, "3009a0073005" + SUBTREE),
    ("a subtree without base", NAME_CONSTRAINTS, "3004a0023000"),
    (
        "a subtree with a minimum of 0, the DEFAULT",
        NAME_CONSTRAINTS,
        "300aa0083006" + HOST + "800100",
    ),
    ("a subtree with a negative minimum", NAME_CONSTRAINTS, "300aa0083006" + HOST + "8001ff"),
    ("a subtree with a negative maximum", NAME_CONSTRAINTS, "300aa0083006" + HOST + "8101ff"),
    ("the bounds out of order", NAME_CONSTRAINTS, "300da00b3009" + HOST + "810102800101"),
    ("a subtree of two bases", NAME_CONSTRAINTS, "300aa0083006" + HOST + HOST),
    ("an address without mask", NAME_CONSTRAINTS, "300aa00830068704" + "01020304"),
    ("an address of nine bytes", NAME_CONSTRAINTS, "300fa00d300b8709" + "00" * 9),
    ("a mask with a hole", NAME_CONSTRAINTS, "300ea00c300a8708" + "00" * 4 + "ff00ff00"),
    ("a mask that begins with zeros", NAME_CONSTRAINTS, "300ea00c300a8708" + "00" * 7 + "01"),
    ("no point", DISTRIBUTION_POINTS, "3000"),
    ("a point without its SEQUENCE", DISTRIBUTION_POINTS, "3005a003" + HOST),
    ("a point of which nothing is said", DISTRIBUTION_POINTS, "30023000"),
    ("a point of reasons alone", DISTRIBUTION_POINTS, "3006300481020780"),
    ("a point's name that is neither", DISTRIBUTION_POINTS, "30093007a005a203" + HOST),
    ("a point's empty name", DISTRIBUTION_POINTS, "30043002a000"),
    ("a point's name without names", DISTRIBUTION_POINTS, "30063004a002a000"),
    ("a point's name twice", DISTRIBUTION_POINTS, "300e300ca00aa003" + HOST + "a003" + HOST),
    ("a point's empty relative name", DISTRIBUTION_POINTS, "30063004a002a100"),
    ("reasons of no bytes", DISTRIBUTION_POINTS, "30093007" + "8100" + ISSUER),
    ("reasons with a trailing zero bit", DISTRIBUTION_POINTS, "300b3009" + "81020680" + ISSUER),
    ("reasons of four bytes", DISTRIBUTION_POINTS, "300d300b" + "810400ffff01" + ISSUER),
    ("no reasons, of which some are unused", DISTRIBUTION_POINTS, "300a3008" + "810101" + ISSUER),
    ("a point's issuer without names", DISTRIBUTION_POINTS, "30043002a200"),
    ("a point's issuer before its reasons", DISTRIBUTION_POINTS, "300b3009" + ISSUER + "81020780"),
    ("no policy", POLICIES, "3000"),
    ("a policy without its SEQUENCE", POLICIES, "300406022a03"),
    ("a policy of no bytes", POLICIES, "300430020600"),
    ("a policy that does not end", POLICIES, "3006300406022a83"),
    ("a policy with no qualifier", POLICIES, "3008300606022a033000"),
    ("a qualifier of no bytes", POLICIES, qualified("06000500")),
    ("a qualifier that does not end", POLICIES, qualified("06022a830500")),
    ("a qualifier without value", POLICIES, "300e300c06022a033006300406022a03"),
    ("a qualifier of two values", POLICIES, "30123010" + "06022a03300a300806022a0305000500"),
    ("a policy with something behind", POLICIES, "300a300806022a0305000500"),
    ("a statement's place that is a UTF8String", POLICIES, qualified(CPS + "0c0161")),
    ("a statement's place beyond ASCII", POLICIES, qualified(CPS + "1601e4")),
    ("a notice without its SEQUENCE", POLICIES, qualified(NOTICE + "0c0161")),
    ("a notice in a PrintableString", POLICIES, qualified(NOTICE + "3003130161")),
    ("a notice that is no UTF-8", POLICIES, qualified(NOTICE + "30030c01e4")),
    ("a notice of two texts", POLICIES, qualified(NOTICE + "30060c01610c0161")),
    ("a reference without numbers", POLICIES, qualified(NOTICE + "300530030c0161")),
    ("a reference without organisation", POLICIES, qualified(NOTICE + "300430023000")),
    ("a reference with something behind", POLICIES, qualified(NOTICE + "300930070c016130000500")),
    ("a reference by text", POLICIES, qualified(NOTICE + "300a30080c016130030c0161")),
    ("a notice's parts out of order", POLICIES, qualified(NOTICE + "300a0c016130050c01613000")),
    ("no mapping", MAPPINGS, "3000"),
    ("a mapping of one policy", MAPPINGS, "3006300406022a03"),
    ("a mapping of three policies", MAPPINGS, "300e300c" + "06022a03" * 3),
    ("no policy constraint", POLICY_CONSTRAINTS, "3000"),
    ("a negative number of certificates", POLICY_CONSTRAINTS, "30038001ff"),
    ("a number with a leading zero", POLICY_CONSTRAINTS, "300480020001"),
    ("policy constraints out of order", POLICY_CONSTRAINTS, "3006810100800100"),
    ("a third policy constraint", POLICY_CONSTRAINTS, "3006800100820100"),
    ("a negative number to inhibit", INHIBIT_ANY_POLICY, "0201ff"),
    ("a number to inhibit, of no bytes", INHIBIT_ANY_POLICY, "0200"),
    ("a number to inhibit, in a SEQUENCE", INHIBIT_ANY_POLICY, "3003020100"),
    ("a number to inhibit, with something behind", INHIBIT_ANY_POLICY, "02010000"),
    ("no point of a freshest CRL", FRESHEST_CRL, "3000"),
    ("no information", AUTHORITY_INFO, "3000"),
    ("information without a place", AUTHORITY_INFO, "3006300406022a03"),
    ("information in two places", AUTHORITY_INFO, "300c300a06022a03" + HOST + HOST),
    ("information that is text", AUTHORITY_INFO, "6d616c666f726d6564"),
    ("no information of the subject", SUBJECT_INFO, "3000"),
)

UNSUPPORTED = (("an EDI party's place", AUTHORITY_INFO, "300e300c06022a03a506a1040c026161"),)

ACCEPTED = (
    ("an attribute of two values", DIRECTORY_ATTRIBUTES, "300e300c06022a033106020105020106"),
    ("the same value twice", DIRECTORY_ATTRIBUTES, "300c300a06022a03310405000500"),
    ("a name", ISSUER_ALT_NAME, "3003" + HOST),
    ("a permitted subtree", NAME_CONSTRAINTS, "3007a005" + SUBTREE),
    ("an excluded subtree", NAME_CONSTRAINTS, "3007a105" + SUBTREE),
    ("both, and several", NAME_CONSTRAINTS, "3013a00a" + SUBTREE * 2 + "a105" + SUBTREE),
    ("a subtree with a minimum", NAME_CONSTRAINTS, "300aa0083006" + HOST + "800101"),
    ("a subtree with a maximum", NAME_CONSTRAINTS, "300aa0083006" + HOST + "810163"),
    ("both bounds", NAME_CONSTRAINTS, "300da00b3009" + HOST + "800101810102"),
    ("all hosts", NAME_CONSTRAINTS, "3006a00430028200"),
    ("an address and its mask", NAME_CONSTRAINTS, "300ea00c300a" + V4),
    ("all addresses", NAME_CONSTRAINTS, "300ea00c300a8708" + "00" * 8),
    ("one address", NAME_CONSTRAINTS, "300ea00c300a8708" + "01020304" + "ff" * 4),
    ("all addresses of IPv6", NAME_CONSTRAINTS, "3026a02430228720" + "00" * 32),
    ("all directory names", NAME_CONSTRAINTS, "3008a0063004a4023000"),
    ("a point's name", DISTRIBUTION_POINTS, "30093007a005a003" + HOST),
    ("a point's relative name", DISTRIBUTION_POINTS, "3010300ea00ca10a" + RDN),
    ("reasons", DISTRIBUTION_POINTS, "300b3009" + "81020780" + ISSUER),
    ("an empty list of reasons", DISTRIBUTION_POINTS, "300a3008" + "810100" + ISSUER),
    ("a point's issuer", DISTRIBUTION_POINTS, "30073005" + ISSUER),
    ("two points", DISTRIBUTION_POINTS, "300e" + ("3005" + ISSUER) * 2),
    ("a freshest CRL", FRESHEST_CRL, "30093007a005a003" + HOST),
    ("two policies", POLICIES, "300c" + "300406022a03" * 2),
    ("a policy with a qualifier", POLICIES, "3010300e06022a033008300606022a030500"),
    ("a statement's place", POLICIES, qualified(CPS + "160161")),
    ("an empty notice", POLICIES, qualified(NOTICE + "3000")),
    ("a notice", POLICIES, qualified(NOTICE + "30030c0161")),
    ("a notice in a VisibleString", POLICIES, qualified(NOTICE + "30031a0161")),
    ("a notice in Latin-1", POLICIES, qualified(NOTICE + "30031a01e9")),
    ("a notice in a BMPString", POLICIES, qualified(NOTICE + "30041e020061")),
    ("a reference", POLICIES, qualified(NOTICE + "300730050c01613000")),
    (
        "a reference and a notice",
        POLICIES,
        qualified(NOTICE + "3010300b0c01613006020101020102160161"),
    ),
    ("a mapping", MAPPINGS, "300a300806022a0306022a04"),
    ("a policy is required", POLICY_CONSTRAINTS, "3003800100"),
    ("mapping is inhibited", POLICY_CONSTRAINTS, "3003810100"),
    ("both policy constraints", POLICY_CONSTRAINTS, "3006800105810100"),
    ("any policy is inhibited", INHIBIT_ANY_POLICY, "020100"),
    ("information", AUTHORITY_INFO, "3009300706022a03" + HOST),
    ("information of the subject", SUBJECT_INFO, "3009300706022a03" + HOST),
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
