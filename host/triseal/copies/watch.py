"""What a Store seals in a developer's name: each new entry of its log is looked at.

A folder has one file for each log: how far it was looked at, and the checkpoint that everything
after it must continue. A file with the key of the log is there for each Store's key and for each
place that was looked at: neither may show another log later. Beside them are the files of evidence.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from sealcore import names, seal
from sealcore.compat import sha256
from triseal import advice, files, notices, package, request
from triseal.copies import storefiles, storeview
from triseal.copies.histories import Held
from triseal.copies.mirror import check_continues, offered
from triseal.copies.storefiles import Source
from triseal.copies.storeview import Found, View
from triseal.errors import BadAnswer, FileTooLarge, NotAFile
from triseal.log import checkpoint, merkle, note, unsigned
from triseal.log import proof as proofs
from triseal.log.checkpoint import Checkpoint
from triseal.log.entry import DEVELOPER
from triseal.log.errors import LogStale, UnknownLog
from triseal.package import Package

FINE = "signed by you"
UNSIGNED = "not signed by the developer whom the seal names"
STRANGER = "another key uses your name"
ELSEWHERE = "signed with your key, but not on this computer"
HIDDEN = "the Store does not show its package"
APPROVED = "the Store has approved another key for your name"
_MAX_FILE = note.MAX_SIZE * 2


@dataclass(frozen=True)
class Me:
    """The developer who watches.

    Attributes:
        name: her name.
        keys: her keys, also former ones, DER SubjectPublicKeyInfo.
        services: names of the services of which she has signed releases.
        signed_here: tells whether a package was signed on this computer.
    """

    name: str
    keys: Collection[bytes]
    services: Collection[str]
    signed_here: Callable[[Package], bool]


@dataclass(frozen=True)
class Seen:
    """An entry that is about the developer.

    Attributes:
        position: its position in the log.
        time: when, Unix seconds, as the Store says.
        service, version: of the release; "" if it is about none.
        what: what was found, such as FINE.
        evidence: file with evidence that everybody can verify, None if there is none.
    """

    position: int
    time: int
    service: str
    version: str
    what: str
    evidence: Path | None = None

    @property
    def alarming(self) -> bool:
        """Whether somebody must look at it."""
        return self.what != FINE


class Watch:
    """Looks at the log of one Store.

    Args:
        folder: where it is remembered how far the log was looked at, and which log it was.
        me: the developer.
        place: where the Store is, as the developer names it.
    """

    def __init__(self, folder: Path, me: Me, place: str) -> None:
        self._folder = folder
        self._me = me
        self._place = place

    def look(self, source: Source) -> tuple[View, list[Seen]]:
        """Look at the entries that are new, all of them the first time.

        What is returned counts as seen only after `done`.

        Args:
            source: the files of the Store.

        Returns: what the Store shows, and what is about the developer.

        Raises:
            LogForked: the Store shows another history than before; a file proves it.
            LogStale: it shows an older one.
            UnknownLog: it shows another log than before.
            Failure: its files can't be read, or are not what its log says.
        """
        view = View(source)
        self._check_same(view)
        last = self._last(view)
        begin = 0
        if last is not None:
            if last.size > view.head.size:
                raise LogStale(f"it has {view.head.size} entries, you have seen {last.size}")
            check_continues(view, last, self._path(view, "evidence"))
            begin = last.size
        return view, self._look(view, begin)

    def _look(self, view: View, begin: int) -> list[Seen]:
        """Look at entries one by one. What they hold back is known at the end of the log."""
        found: list[Seen] = []
        held = Held()
        for one in view.entries(begin):
            held.add(one)
            seen = self._about(view, one)
            if seen is not None:
                found.append(seen)
        return [
            one for one in found if one.what != HIDDEN or not held.has(one.service, one.version)
        ]

    def done(self, view: View) -> None:
        """Remember that everything was seen and told.

        Args:
            view: what `look` has returned.
        """
        files.write(self._path(view, "checkpoint"), view.head.note.data(), files.PRIVATE)
        for path in self._names(view):
            files.write(path, f"{view.key}\n".encode(), files.PRIVATE)

    def _names(self, view: View) -> Sequence[Path]:
        """Return the files that name the log: one for the place, and one for the Store's key."""
        place = bytes(sha256(self._place.encode("utf-8", "surrogateescape"))).hex()
        return [self._folder / f"{mark}.log" for mark in (place, request.fingerprint(view.spki))]

    def _check_same(self, view: View) -> None:
        """Refuse another log: in a new one, a Store could hide what it has sealed before."""
        for path in self._names(view):
            try:
                known = files.read(path, _MAX_FILE)
            except FileNotFoundError:
                continue
            if known != f"{view.key}\n".encode():
                was = advice.printable(known.decode("utf-8", "replace").strip())
                why = f"it shows {view.key}, and before {was}"
                raise UnknownLog(f"{why}; delete {path} if the Store has told you why")

    def _last(self, view: View) -> Checkpoint | None:
        path = self._path(view, "checkpoint")
        try:
            return checkpoint.parse(files.read(path, _MAX_FILE))
        except (FileNotFoundError, NotAFile, FileTooLarge):
            return None

    def _path(self, view: View, kind: str) -> Path:
        return self._folder / f"{request.fingerprint(view.key.public)}.{kind}"

    def _about(self, view: View, found: Found) -> Seen | None:
        """Return what an entry has to do with the developer, None if nothing."""
        said = found.said
        if said.kind in (DEVELOPER, notices.REPLACED):
            what = self._about_key(said.detail)
        elif said.kind in storeview.RELEASES:
            return self._about_release(view, found)
        else:
            return None
        return Seen(found.position, said.time, "", "", what) if what else None

    def _about_key(self, detail: str) -> str:
        try:
            facts = json.loads(detail)
        except (ValueError, RecursionError):
            return ""
        if not isinstance(facts, dict) or facts.get("developer") != self._me.name:
            return ""
        mine = {request.fingerprint(key) for key in self._me.keys}
        return "" if facts.get("key") in mine else APPROVED

    def _about_release(self, view: View, found: Found) -> Seen | None:
        said = found.said
        path = storefiles.package_path(said.package)
        data = offered(view.source, path)
        if data is None:
            mine = said.service in self._me.services
            return self._seen(found, HIDDEN, None) if mine else None
        sealed = package.parse(data)
        if sealed.digest() != said.package:
            raise BadAnswer(f"{path} is another package")
        if bytes(sha256(sealed.developer_seal)) != said.developer_seal:
            return self._seen(found, UNSIGNED, None)
        if not unsigned.is_signed(sealed.developer_seal):
            return self._seen(found, UNSIGNED, self._evidence(view, found, sealed))
        own = seal.parse(sealed.developer_seal, seal.DEVELOPER)
        if bytes(own.spki) in self._me.keys:
            here = self._me.signed_here(sealed)
            return self._seen(found, FINE if here else ELSEWHERE, None)
        if str(names.common_name(own.issuer)) == self._me.name:
            return self._seen(found, STRANGER, None)
        return None

    def _seen(self, found: Found, what: str, evidence: Path | None) -> Seen:
        said = found.said
        return Seen(found.position, said.time, said.service, said.version, what, evidence)

    def _evidence(self, view: View, found: Found, sealed: Package) -> Path:
        """Write the evidence that the Store has sealed what no developer has signed."""
        size = view.head.size
        hashes = tuple(merkle.inclusion(found.position, size, view.tree.complete))
        proof = proofs.Proof(found.leaf, found.position, hashes, view.head)
        made = unsigned.Unsigned(view.key, proof, sealed.developer_seal)
        made.check([view.key])
        path = self._path(view, f"{found.position}.evidence")
        files.write(path, made.der(), files.PRIVATE)
        return path
