"""What a host refuses beside the seals themselves: one root, flat leaves, code and advice.

`sealcore.errors` holds the refusals that a node must be able to make too; `triseal.advice` has
their advice.
"""

from __future__ import annotations

from typing import ClassVar


class Failure(Exception):
    """Root of what goes wrong on a host for a reason that a person can act on.

    Attributes:
        code: stable, for programs and logs.
        advice: what to do about it, one sentence.
        detail: what was seen; never holds key material.
    """

    code: ClassVar[str] = "failed"
    advice: ClassVar[str] = "Repeat the command."

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


# Files and keys.


class NotAFile(Failure):
    """A path leads to something that is no regular file."""

    code = "not-a-file"
    advice = "Name one file."


class FileTooLarge(Failure):
    """A file is larger than anything of its kind may be."""

    code = "file-too-large"
    advice = "Check that it is the file you mean."


class AlreadyExists(Failure):
    """What would be made is there, and is never overwritten."""

    code = "already-exists"
    advice = "Use what is there, or name another place (most commands: --home)."


class NotInitialised(Failure):
    """The role has no home here yet."""

    code = "not-initialised"
    advice = "Run the role's `init` first, or name its place with --home."


class NotAKey(Failure):
    """A file holds no private key that can be used here."""

    code = "not-a-key"
    advice = "Give a PKCS #8 PEM file with an RSA (2048 to 4096 bit) or P-256 key."


class OpenPermissions(Failure):
    """Others than its owner may read or write a private key."""

    code = "open-permissions"
    advice = "Restrict it with `chmod 600`, and think about who may have copied it."


class WrongPassphrase(Failure):
    """The passphrase does not open the key."""

    code = "wrong-passphrase"
    advice = "Repeat with the right passphrase."


class NoPassphrase(Failure):
    """A passphrase is needed and there is no way to ask for one."""

    code = "no-passphrase"
    advice = "Use --passphrase-file or TRISEAL_PASSPHRASE, or run it in a terminal."


# What a developer gives.


class BadName(Failure):
    """A person's or an authority's name is not one common name."""

    code = "bad-name"
    advice = "Give 1 to 64 octets of visible text, words apart by one space."


class BadLabel(Failure):
    """A site, node or service can't have this name."""

    code = "bad-label"
    advice = "Use a-z, 0-9, dot, dash and underscore, a letter or digit first, at most 63."


class BadMetadata(Failure):
    """The metadata is not a JSON object as the profile wants it."""

    code = "bad-metadata"
    advice = "Correct the metadata file."


class BadExecutable(Failure):
    """The executable is not one that a board could run."""

    code = "bad-executable"
    advice = "Give one .py or .mpy file, or a folder, that MicroPython can load; build it anew."


class BadVersion(Failure):
    """A version is not written as numbers between dots."""

    code = "bad-version"
    advice = "Write it as numbers between dots, for example 1.2.0."


class AlreadySigned(Failure):
    """This version of the service was sealed before, with other content."""

    code = "already-signed"
    advice = "Raise the version, or give --again if the other package never left this computer."


class BadRequest(Failure):
    """A request is none, or does not prove possession of its key."""

    code = "bad-request"
    advice = "Make it again with `triseal dev request`."


class OtherFingerprint(Failure):
    """A key is not the one whose fingerprint was given."""

    code = "other-fingerprint"
    advice = "Trust nobody: get the file and the fingerprint again, each from the owner itself."


# What a Store refuses.


class UnknownDeveloper(Failure):
    """No developer has registered this key."""

    code = "unknown-developer"
    advice = "Look at `triseal store list`, and register the developer's request first."


class NameTaken(Failure):
    """An approved developer has this name, or one like it, already, with another key."""

    code = "name-taken"
    advice = "Ask the developer to register under another name."


class ServiceTaken(Failure):
    """The service's name belongs to another developer."""

    code = "service-taken"
    advice = "Sign the service under another name."


class UnknownService(Failure):
    """The Store has no such service or version."""

    code = "unknown-service"
    advice = "Look at `triseal store list`."


class DamagedStore(Failure):
    """The Store's own files are not what they were when written."""

    code = "damaged-store"
    advice = "Restore the Store's home from a backup."


# What people look at.


class NotRecognised(Failure):
    """A file is nothing that Triseal knows."""

    code = "not-recognised"
    advice = "Give a seal, package, trust bundle, certificate, request or evidence."


class NoContradiction(Failure):
    """Two seals do not contradict each other."""

    code = "no-contradiction"
    advice = "There is nothing to report with these two seals."
