"""Bounds, tags and labels of `seal` and `bundle`, as public names for the modules that write.

A public constant takes 50 bytes of a board's heap, so the modules that read have private copies,
which the compiler folds into the code. A test compares both.
"""

MAX_SEAL = 4096
MAX_EXECUTABLE = 16777216
MAX_METADATA = 8192
MAX_VERSION_TEXT = 32
MAX_SECURITY_VERSION = 2147483647
MAX_GRANTS = 64
MAX_GRANT = 128
MAX_BUNDLE = 8192
MAX_BUNDLE_KEYS = 64
MAX_ROOTS = 8
MAX_SIGNATURES = 16
SERVICE, AGENT, FIRMWARE = 0x80, 0x40, 0x20  # what a developer may sign, in a trust bundle
DEVELOPER = 33  # bytes of a developer in TrustBundle.developers

# The object identifier 2.25.328739721842243933527932212422477103568.1, encoded
SERVICE_SEAL = bytes.fromhex("6983eed0fbea9bf8da92ebae8092a7b6ffc1835001")
INTEGER = 0x02
BIT_STRING = 0x03
UTF8_STRING = 0x0C
SEQUENCE = 0x30
SET = 0x31
RSA_SHA256 = bytes.fromhex("300d06092a864886f70d01010b0500")  # a whole AlgorithmIdentifier
SUBJECT_ALT_NAME = bytes.fromhex("551d11")
# A whole Extension: extKeyUsage with serverAuth and clientAuth
TLS_BOTH_SIDES = bytes.fromhex("301d0603551d250416301406082b0601050507030106082b06010505070302")
PREDECESSOR = 0x80
GRANTS = 0xA1
BUNDLE_LABEL = "triseal bundle v2"
OLD_BUNDLE_LABEL = "triseal bundle v1"
ROLES = ("developer seal", "Store seal", "site seal")  # for people, indexed by role
