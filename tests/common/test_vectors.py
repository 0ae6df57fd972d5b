"""Certificates and seals that others made, or that a fuzzer found: see tests/vectors."""

from binascii import a2b_base64

from checks import raises
from sealcore import bundle, seal, x509

FOLDER = __file__.rsplit("/", 2)[0] + "/vectors/"
# Within 2010 to 2030, where the certificates of PKITS are valid: 2011-10-30.
NOW = 1320000000

PARSERS = {
    "x509": x509.parse,
    "developer": lambda der: seal.parse(der, seal.DEVELOPER),
    "store": lambda der: seal.parse(der, seal.STORE),
    "site": lambda der: seal.parse(der, seal.SITE),
    "bundle": bundle.parse,
}


def judge(code, function, *args):
    """Call function(*args), which must accept ("-") or refuse with this code."""
    return function(*args) if code == "-" else raises(code, function, *args)


def lines(name):
    with open(FOLDER + name) as file:
        for line in file:
            yield line.split()


def test_others_certificates_get_their_verdicts():
    count = 0
    kept = {}
    for words in lines("x509.txt"):
        count += 1
        if words[0] == "issued":
            _, subject, issuer, code = words
            judge(code, x509.check_issued, kept[subject], kept[issuer], NOW)
        else:
            kind, name, code, text = words
            result = judge(code, PARSERS[kind], a2b_base64(text))
            if code == "-":
                kept[name] = result
    assert count > 60


def test_what_the_fuzzer_found_gets_its_verdict():
    count = 0
    for kind, _, code, text in lines("found.txt"):
        count += 1
        judge(code, PARSERS[kind], a2b_base64(text))
    assert count > 0
