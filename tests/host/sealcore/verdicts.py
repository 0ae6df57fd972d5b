"""What sealcore says of the inputs in a file, a line for each: run by both interpreters.

    MICROPYPATH=common:.frozen micropython tests/host/sealcore/verdicts.py FILE

Each line of FILE is a kind and base64 values:

    x509 | identity | developer | store | site | bundle   DER
    trust   DER of a bundle, which counts for the lines behind it
    custody   developer seal, Store seal, site seal, executable, metadata, node key, "floor now"

A verdict is a refusal's code, or what was read where the input is accepted.
"""

import sys
from binascii import a2b_base64, hexlify
from io import BytesIO

from sealcore import bundle, certificate, custody, errors, identity, seal, x509

NODE = "n1"
SERVICE = "blink"


class Package:
    """As `custody` wants it."""

    def __init__(
        self, developer_seal: bytes, store_seal: bytes, executable: bytes, metadata: bytes
    ) -> None:
        self.developer_seal = developer_seal
        self.store_seal = store_seal
        self.executable = BytesIO(executable)
        self.metadata = metadata


def certificate_text(cert: certificate.Certificate) -> str:
    """What was read of any certificate."""
    names = hexlify(bytes(cert.issuer) + bytes(cert.subject)).decode()
    return f"{cert.version} {cert.serial} {cert.not_before} {cert.not_after} {names}"


def said(cert) -> str:  # type: ignore[no-untyped-def]
    """What a seal says of its service: a seal.Seal or a seal.Brief."""
    texts = "|".join((cert.service, cert.service_version, cert.uri, str(list(cert.grants))))
    hashes = (
        bytes(cert.executable_hash) + bytes(cert.metadata_hash) + bytes(cert.predecessor or b"")
    )
    read = f"{cert.executable_size} {cert.security_version} {hexlify(hashes).decode()}"
    return f"{cert.serial} {read} {hexlify(texts.encode()).decode()}"


def bundle_text(trust: bundle.TrustBundle) -> str:
    """What was read of a bundle."""
    sizes = f"{len(trust.site_keys)} {len(trust.store_keys)} {len(trust.developers)}"
    return f"{trust.version} {trust.site} {trust.issued_at} {sizes}"


def parse(kind: str, der: bytes) -> str:
    """Read a thing of this kind; the text of what was read."""
    if kind == "bundle":
        return bundle_text(bundle.parse(der))
    if kind == "x509":
        return certificate_text(x509.parse(der))
    if kind == "identity":
        own = identity.parse(der)
        return " ".join((certificate_text(own), own.name, own.uri))
    role = ("developer", "store", "site").index(kind)
    found = seal.parse(der, role)
    return certificate_text(found) + " " + said(found)


def check(trust: bundle.TrustBundle, values: list[bytes]) -> str:
    """The whole check of custody."""
    developer, store, site, executable, metadata, key, numbers = values
    floor, now = [int(number) for number in numbers.decode().split()]
    package = Package(developer, store, executable, metadata)
    return said(custody.verify(package, site, trust, NODE, SERVICE, key, now, floor))


def verdict(line: str, trusts: list[bundle.TrustBundle]) -> str:
    """The verdict on one line; `trusts` gets the bundles of the file as they come."""
    kind, *texts = line.split(" ")
    values = [a2b_base64(text) for text in texts]
    try:
        if kind == "trust":
            trusts.append(bundle.parse(values[0]))
            return ""
        return check(trusts[-1], values) if kind == "custody" else parse(kind, values[0])
    except errors.SealError as refusal:
        return refusal.code


def main(path: str) -> None:
    """Print each verdict."""
    trusts: list[bundle.TrustBundle] = []
    with open(path) as lines:  # noqa: PTH123 - MicroPython has no pathlib
        for line in lines:
            print(verdict(line, trusts))


if __name__ == "__main__":
    main(sys.argv[1])
