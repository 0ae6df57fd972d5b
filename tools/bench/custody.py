"""The check of custody: three RSA-2048 seals over 100 KB, on MicroPython and here."""

from __future__ import annotations

import io
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from bench import Figure
from bench._device import Failed
from boards import micropython
from boards.code import mpy, romfs, stage
from sealcore import bundle, custody, identity, keys, sealwriter
from sealcore.compat import sha256
from triseal import bundles, certificate
from triseal.certificate import Validity
from triseal.signer import KeySigner, generate

EXECUTABLE_OCTETS = 100_000
SEALS = ("developer_seal", "store_seal", "site_seal")
METADATA = b'{"entry": "app.mpy"}'
SITE, NODE, SERVICE = "site", "node", "service"
NOW = 1_795_363_200
VALIDITY = Validity(NOW - 100, NOW + 5000)
HEAP_KIB = 128  # about what an ESP32 has
LARGEST_HEAP_KIB = 64
ROUNDS = 41
HOST_S = 1.0
IMAGE = "image"
MODULES = ("_custody_check", "_custody_bare", "_custody_times")


@dataclass(frozen=True)
class Deployment:
    """One service on a node, with the keys that signed it.

    Attributes:
        files: contents by the names that `_custody_check` opens.
        signers: of developer, Store and site seal.
    """

    files: dict[str, bytes]
    signers: tuple[KeySigner, KeySigner, KeySigner]


def measure() -> Iterator[Figure]:
    """Yield time and heap on MicroPython, the size of the node's code, and checks on this computer.

    `node.custody.heap` is with modules that are files, from which MicroPython copies all code into
    the heap; `.romfs` with the same modules in a ROMFS image, from which it runs in place.

    Raises:
        bench._device.Failed: MicroPython did not run it to its end.
    """
    deployment = deploy()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        code = write(deployment, folder)
        printed = run(folder, f"from _custody_times import compare; compare({ROUNDS})", HEAP_KIB)
        bare, check = (min(column) / 1000 for column in columns(printed))
        yield Figure("node.custody.rsa2048", check, "ms", bare)
        least = least_heap(folder, "_custody_bare")
        yield Figure("node.custody.heap", least_heap(folder, "_custody_check"), "KiB", least)
        image = pack(folder)
        heap = least_heap(folder, "_custody_check", image)
        yield Figure("node.custody.heap.romfs", heap, "KiB", least)
        yield Figure("node.code.bytes", code, "bytes")
    yield Figure(
        "host.custody", per_second(check_here(deployment)), "1/s", per_second(raw(deployment))
    )


def deploy(developers: int = 1) -> Deployment:
    """Make a service; all parties have RSA-2048 keys.

    Args:
        developers: how many the trust bundle lists.
    """
    developer, store, site = (KeySigner(generate("rsa2048")) for _ in range(3))
    node = KeySigner(generate("p256"))  # the only kind of key that a node makes
    executable = os.urandom(EXECUTABLE_OCTETS)
    core = sealwriter.core(sha256(executable), len(executable), sha256(METADATA), "1.0.0", 3)
    ada, shop, home = (sealwriter.name(text) for text in ("Ada", "The Store", "SLCA"))

    def issue(by: KeySigner, issuer: bytes, spki: bytes, extensions: list[bytes]) -> bytes:
        subject = sealwriter.name(SERVICE)
        serial = certificate.new_serial()
        return certificate.issue(by, issuer, subject, spki, VALIDITY, serial, extensions)

    value = sealwriter.service_seal(core)
    extensions = certificate.code_seal_extensions(developer.spki, value)
    developer_seal = issue(developer, ada, developer.spki, extensions)
    value = sealwriter.service_seal(core, sha256(developer_seal))
    extensions = certificate.code_seal_extensions(store.spki, value)
    store_seal = issue(store, shop, developer.spki, extensions)
    grants = ("bus.publish:home/kitchen/#", "log")
    value = sealwriter.service_seal(core, sha256(store_seal), grants)
    uri = identity.service(SITE, NODE, SERVICE)
    extensions = certificate.site_seal_extensions(site.spki, value, uri)
    others = [(ada, b"%d" % number) for number in range(developers - 1)]
    keys = [(home, site.spki)], [(shop, store.spki)], [(ada, developer.spki), *others]
    files = {
        "executable": executable,
        "metadata": METADATA,
        "developer_seal": developer_seal,
        "store_seal": store_seal,
        "site_seal": issue(site, home, node.spki, extensions),
        "trust": bundles.simple(site, 1, SITE, NOW, keys),
        "node_key": node.spki,
        "now": str(NOW).encode(),
    }
    return Deployment(files, (developer, store, site))


def pairs(deployment: Deployment) -> list[tuple[bytes, int]]:
    """Return signature and modulus of each seal of `deployment`."""
    moduli = [keys.parse(signer.spki).n for signer in deployment.signers]
    return [(deployment.files[name][-256:], n) for name, n in zip(SEALS, moduli, strict=True)]


def write(deployment: Deployment, folder: Path) -> int:
    """Write the node's code as a board gets it, this bench's, and `deployment` into `folder`.

    Returns: bytes of the node's code.
    """
    planned = [file for file in stage.plan(mpy.Target(6, 3, "")) if file.path != stage.MAIN]
    for file in planned:
        place(folder / file.path.removeprefix("/lib/"), file.data)
    for name in MODULES:
        source = Path(__file__).with_name(name + ".py").read_bytes()
        place(folder / (name + ".mpy"), mpy.compile_source(source, name))
    for name, data in deployment.files.items():
        place(folder / name, data)
    numbers = [signature + n.to_bytes(256, "big") for signature, n in pairs(deployment)]
    place(folder / "numbers", b"".join(numbers))
    return sum(len(file.data) for file in planned)


def place(path: Path, data: bytes) -> None:
    """Write `data` into the file `path`, with the folder that it is in."""
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)


def pack(folder: Path) -> int:
    """Write the code of the check in `folder` as one image beside it, the file IMAGE.

    Returns: its size in bytes.
    """
    code = [*folder.glob("sealcore/*.mpy"), *folder.glob("*.mpy")]
    image = romfs.pack({path.relative_to(folder).as_posix(): path.read_bytes() for path in code})
    (folder / IMAGE).write_bytes(image)
    return len(image)


def run(folder: Path, code: str, heap_kib: int, image: int = 0) -> str:
    """Return what `code` prints in a heap of `heap_kib` KiB.

    Args:
        folder: where it runs.
        code: one line.
        heap_kib: for everything but an image.
        image: bytes of IMAGE, from which modules are imported; 0 to import the files.

    Raises:
        Failed: it did not run to its end.
    """
    if image:
        read = f"open({IMAGE!r}, 'rb').read({image})"
        mount = f"import sys, vfs; sys.path[0] = '/rom'; vfs.mount(vfs.VfsRom({read}), '/rom')"
        code = f"{mount}; {code}"
    # On a board the image is in flash. Here room for it is added to the heap, with three bytes
    # of the collector's tables for each 256 (py/gc.c).
    heap = 1024 * heap_kib + image * 259 // 256
    done = micropython.run(
        ["-X", f"heapsize={heap}", "-c", f"import os; os.chdir({str(folder)!r}); {code}"],
        environment={"MICROPYPATH": ".frozen"},
    )
    if done.returncode:
        raise Failed(f"status {done.returncode} with {heap_kib} KiB of heap: {done.stderr}")
    return done.stdout


def least_heap(folder: Path, module: str, image: int = 0) -> int:
    """Return the smallest heap, in KiB, so that the check of a module runs in it and in every
    larger one.

    All sizes are tried, from above, because it is a matter of luck how a small heap breaks into
    pieces.

    Args:
        folder: where it runs.
        module: the check's.
        image: bytes of IMAGE; 0 to import the files.

    Raises:
        Failed: it does not even run in LARGEST_HEAP_KIB.
    """
    code = f"from {module} import check; check()"
    run(folder, code, LARGEST_HEAP_KIB, image)
    for heap in range(LARGEST_HEAP_KIB - 1, 0, -1):
        try:
            run(folder, code, heap, image)
        except Failed:
            return heap + 1
    return 1


def columns(printed: str) -> Iterator[tuple[int, ...]]:
    """Yield the columns of numbers that were `printed`."""
    rows = [map(int, line.split()) for line in printed.splitlines()]
    return zip(*rows, strict=True)


def check_here(deployment: Deployment) -> Callable[[], object]:
    """Return a function that checks `deployment` once, on this interpreter."""

    @dataclass
    class Package:
        executable: io.BytesIO
        metadata: bytes
        developer_seal: bytes
        store_seal: bytes

    files = deployment.files
    trust = bundle.parse(files["trust"])

    def check() -> object:
        executable = io.BytesIO(files["executable"])
        package = Package(
            executable, files["metadata"], files["developer_seal"], files["store_seal"]
        )
        place = NODE, SERVICE, files["node_key"]
        return custody.verify(package, files["site_seal"], trust, *place, NOW)

    return check


def raw(deployment: Deployment) -> Callable[[], object]:
    """Return a function for the bare minimum: three verifications by `cryptography`, and the hash.

    Args:
        deployment: see above.
    """
    message = b"as long as the signed part of a seal".ljust(600)
    signed = []
    for signer in deployment.signers:
        key = cast(rsa.RSAPublicKey, serialization.load_der_public_key(signer.spki))
        signed.append((key, signer.sign(message)))

    def verify() -> object:
        for key, signature in signed:
            key.verify(signature, message, padding.PKCS1v15(), hashes.SHA256())
        return sha256(deployment.files["executable"])

    return verify


def per_second(action: Callable[[], object]) -> float:
    """Return how often `action` runs in a second."""
    action()
    begin = time.perf_counter()
    count = 0
    while (passed := time.perf_counter() - begin) < HOST_S:
        action()
        count += 1
    return count / passed
