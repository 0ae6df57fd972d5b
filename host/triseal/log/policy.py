"""Policy files (c2sp.org/tlog-policy): which logs are trusted, and which witnesses must agree."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from triseal.log import note
from triseal.log.checkpoint import Checkpoint
from triseal.log.errors import BadLogData, UnknownLog

MAX_SIZE = 1 << 16
_MAX_LINES = 512
_NONE = "none"
_SPACE = re.compile("[ \t]+")


@dataclass
class Policy:
    """A parsed policy.

    Attributes:
        logs: keys of trusted logs.
        witnesses: keys by name.
        groups: number that must have signed, and the members, by name.
        quorum: name of the witness or group that must have signed; "none" for no one.
    """

    logs: list[note.Key] = field(default_factory=list)
    witnesses: dict[str, note.Key] = field(default_factory=dict)
    groups: dict[str, tuple[int, list[str]]] = field(default_factory=dict)
    quorum: str = _NONE

    def check(self, made: Checkpoint) -> int:
        """Check that a checkpoint is signed by a trusted log and by enough witnesses.

        Args:
            made: the checkpoint.

        Returns: the newest time at which a witness signed it, Unix seconds. If the policy wants no
            witnesses, the log's own statement counts as well. 0 if nobody said a time.

        Raises:
            UnknownLog: it is not.
        """
        known = [key for key in self.logs if key.name == made.origin]
        if not made.note.check(known):
            raise UnknownLog(f"no trusted log signed the checkpoint of {made.origin}")
        signed = made.note.check(self.witnesses.values())
        if self.quorum == _NONE:
            signed |= made.note.check(key.clock for key in known)
        elif not self._agrees(self.quorum, signed):
            raise UnknownLog(f"the witnesses of {self.quorum} have not signed the checkpoint")
        return max(signed.values(), default=0)

    def _agrees(self, name: str, signed: dict[note.Key, int]) -> bool:
        if name in self.witnesses:
            return self.witnesses[name] in signed
        need, members = self.groups[name]
        return sum(self._agrees(member, signed) for member in members) >= need

    def _has(self, name: str) -> bool:
        return name in self.witnesses or name in self.groups

    def add(self, words: list[str]) -> None:
        """Add one line.

        Args:
            words: the words of the line.

        Raises:
            BadLogData: the line is not allowed.
        """
        match words:
            case ["log", key] | ["log", key, _]:
                self._add_log(note.parse_key(key, note.LOG))
            case ["witness", name, key] | ["witness", name, key, _]:
                self._check_new(name)
                parsed = note.parse_key(key, note.WITNESS)
                if any(one.public == parsed.public for one in self.witnesses.values()):
                    raise BadLogData(f"two witnesses with one key: {name}")
                self.witnesses[name] = parsed
            case ["group", name, need, *members] if members:
                self._check_new(name)
                self._check_members(members)
                self.groups[name] = _threshold(need, len(members)), members
            case _:
                raise BadLogData(f"the line of a policy that begins with {words[0]!r}")

    def _add_log(self, key: note.Key) -> None:
        if any(one.public == key.public for one in self.logs):
            raise BadLogData(f"two logs with one key: {key.name}")
        self.logs.append(key)

    def _check_new(self, name: str) -> None:
        if name == _NONE or self._has(name):
            raise BadLogData(f"the name {name} is used twice")

    def _check_members(self, members: list[str]) -> None:
        used = [name for _, names in self.groups.values() for name in names]
        for name in members:
            if not self._has(name):
                raise BadLogData(f"there is no witness {name} above this line")
            if name in used:
                raise BadLogData(f"{name} is in two groups")
            used.append(name)


def _threshold(need: str, count: int) -> int:
    if need in ("all", "any"):
        return count if need == "all" else 1
    if not (need.isascii() and need.isdigit() and len(need) < 4 and 1 <= int(need) <= count):
        raise BadLogData(f"{need} of {count} witnesses")
    return int(need)


def parse(data: bytes) -> Policy:
    """Parse a policy file.

    Args:
        data: its contents.

    Raises:
        BadLogData: it is not a policy.
    """
    if len(data) > MAX_SIZE or any(mark < 0x20 and mark not in b"\t\n" for mark in data):
        raise BadLogData("not a policy")
    made = Policy()
    quorums = []
    try:
        lines = data.decode().split("\n")
    except UnicodeDecodeError:
        raise BadLogData("a policy that is not UTF-8") from None
    if len(lines) > _MAX_LINES:
        raise BadLogData("the policy has too many lines")
    for line in lines:
        words = _SPACE.split(line.strip(" \t"))
        if words[0].startswith("#") or words == [""]:
            continue
        if words[0] != "quorum":
            made.add(words)
            continue
        quorums.append(words)
        made.quorum = words[-1]
        if made.quorum != _NONE and not made._has(made.quorum):
            raise BadLogData(f"there is no witness {made.quorum} above the quorum")
    if len(quorums) != 1 or len(quorums[0]) != 2:
        raise BadLogData("a policy has exactly one line with the quorum")
    return made
