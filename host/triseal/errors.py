"""The errors of a host besides refused seals: one root, flat leaves, each with code and advice.

`sealcore.errors` holds the refusals that a node makes too; `triseal.advice` has their advice.
"""

from __future__ import annotations

from typing import ClassVar


class Failure(Exception):
    """The root of all failures on a host that a person can do something about.

    Args:
        detail: what was seen, as text.

    Attributes:
        code: a stable code for programs and logs.
        advice: what to do about it, one sentence.
        detail: what was seen; it never holds key material.
    """

    code: ClassVar[str] = "failed"
    advice: ClassVar[str] = "Repeat the command."

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


# Files and keys.


class NotAFile(Failure):
    """The path does not lead to a regular file."""

    code = "not-a-file"
    advice = "Name one file."


class FileTooLarge(Failure):
    """The file is larger than a file of its kind may be."""

    code = "file-too-large"
    advice = "Check that this is the right file."


class AlreadyExists(Failure):
    """The thing to create exists already; it is never overwritten."""

    code = "already-exists"
    advice = "Use the existing one, or give another place (most commands: --home)."


class NotInitialised(Failure):
    """The role has no home yet in this place."""

    code = "not-initialised"
    advice = "Run the role's `init` first, or give its place with --home."


class NotAKey(Failure):
    """The file does not hold a private key that can be used."""

    code = "not-a-key"
    advice = "Give a PKCS #8 PEM file with an RSA (2048 to 4096 bits) or P-256 key."


class OpenPermissions(Failure):
    """Other users than its owner may read or write the private key."""

    code = "open-permissions"
    advice = (
        "Restrict it with `chmod 600`, and consider who may have copied it; on a file system "
        "without permissions, such as a FAT stick, copy it into a folder of your own first, or "
        "mount it with umask=077."
    )


class NotPrivate(Failure):
    """The file system keeps no permissions, so that other users could read a private key."""

    code = "not-private"
    advice = "Give a folder on another file system, or mount this one with umask=077."


class WrongPassphrase(Failure):
    """The passphrase does not open the key."""

    code = "wrong-passphrase"
    advice = "Repeat with the right passphrase."


class BadKeyURI(Failure):
    """The URI of a key can't be read."""

    code = "bad-key-uri"
    advice = "Write it as RFC 7512 says: pkcs11:token=LABEL;object=LABEL?module-path=FILE."


class TokenMissing(Failure):
    """The key on a token can't be used now."""

    code = "token-missing"
    advice = "Connect the token, and check its URI; what needs the key goes on when it is back."


class NoPassphrase(Failure):
    """A passphrase is needed, and there is no way to ask for it."""

    code = "no-passphrase"
    advice = "Use --passphrase-file or TRISEAL_PASSPHRASE, or run it in a terminal."


class NoRootPassphrase(NoPassphrase):
    """The passphrase of a site's root is needed, and there is no way to ask for it."""

    code = "no-root-passphrase"
    advice = "Use --root-passphrase-file or TRISEAL_ROOT_PASSPHRASE, or run it in a terminal."


# Input from developers.


class BadName(Failure):
    """The name of a person or an authority is not allowed."""

    code = "bad-name"
    advice = "Give 1 to 64 bytes of visible text, with single spaces between words."


class BadLabel(Failure):
    """The name is not allowed for a site, node or service."""

    code = "bad-label"
    advice = (
        "Use at most 63 of a-z, 0-9, dot, dash and underscore, beginning with a letter or digit."
    )


class BadMetadata(Failure):
    """The metadata is not a JSON object that follows the profile."""

    code = "bad-metadata"
    advice = "Correct the metadata file."


class BadExecutable(Failure):
    """A board can't run the executable."""

    code = "bad-executable"
    advice = "Give a .py or .mpy file or a folder that MicroPython can load; build it again."


class NoMain(Failure):
    """The executable has no `main` that a node can start."""

    code = "no-main"
    advice = "Write `async def main(ctx):` in the file, or in main.py or app.py of the folder."


class UnknownModule(Failure):
    """The executable imports a module that no board has."""

    code = "unknown-module"
    advice = (
        "Put the module into the folder; if the firmware has it, name it under `modules` in the"
        " metadata."
    )


class BadVersion(Failure):
    """The version does not consist of numbers between dots."""

    code = "bad-version"
    advice = "Write numbers between dots, for example 1.2.0."


class AlreadySigned(Failure):
    """This version of the service was already sealed with other content."""

    code = "already-signed"
    advice = "Raise the version, or give --again if the other package never left this computer."


class OtherSigner(Failure):
    """Another developer has sealed the package."""

    code = "other-signer"
    advice = "Give the home of the developer who sealed it with --home, or sign a new version."


class ShorterValidity(Failure):
    """A renewal would end before what it renews."""

    code = "shorter-validity"
    advice = "Give more years with --years, or keep the present one."


class BadRequest(Failure):
    """The file is not a certification request, or does not prove that its key is held."""

    code = "bad-request"
    advice = "Make it again with `triseal dev request`."


class OtherFingerprint(Failure):
    """The key has another fingerprint than the given one."""

    code = "other-fingerprint"
    advice = "Do not trust it: get file and fingerprint again, each from the owner directly."


# Refusals of a Store.


class StoreMoved(Failure):
    """The files of the Store were moved, and this process can't go on at the old place."""

    code = "store-moved"
    advice = (
        "Start the command or the server again: it then uses the new place. A home on another"
        " computer can't be reached; there `triseal store move --bucket` lets all of them work."
    )


class UnknownDeveloper(Failure):
    """No developer has registered this key."""

    code = "unknown-developer"
    advice = "See `triseal store list --developers`; if the key is not there, register it first."


class NameTaken(Failure):
    """An approved developer with another key has this name or a similar one."""

    code = "name-taken"
    advice = (
        "Ask the developer to register under another name; if it is the same developer with a new"
        " key, run: triseal store approve-key NAME --fingerprint HEX."
    )


class ServiceTaken(Failure):
    """The service's name belongs to another developer."""

    code = "service-taken"
    advice = "Sign the service under another name."


class KeyReplaced(Failure):
    """The developer has replaced this key by another one."""

    code = "key-replaced"
    advice = "Use the developer's present key: `triseal store list --developers` shows it."


class DeveloperSuspended(Failure):
    """The Store has suspended the developer: it seals nothing for this developer."""

    code = "developer-suspended"
    advice = "Ask the Store for the reason; `triseal store resume NAME` ends it."


class WrongState(Failure):
    """The state of a developer, a release or a service does not allow this."""

    code = "wrong-state"
    advice = "See `triseal store list` and `triseal store list --developers` for the states."


class Withdrawn(Failure):
    """The Store has withdrawn this release."""

    code = "withdrawn"
    advice = "Take or submit a newer version."


class Quarantined(Failure):
    """The Store holds this release or service back while somebody looks into it."""

    code = "quarantined"
    advice = "Ask the Store for the reason; `triseal store clear` ends it."


class Archived(Failure):
    """The Store takes no new releases of this service."""

    code = "archived"
    advice = "Ask the Store for the reason; `triseal store reopen` ends it."


class BadReason(Failure):
    """The reason is not a text that people can read."""

    code = "bad-reason"
    advice = "Give one line of 1 to 200 bytes without control characters."


class BadReplacement(Failure):
    """The file is not a request to replace a developer's key."""

    code = "bad-replacement"
    advice = "Ask the developer for the file that `triseal dev rotate` wrote."


class BadStoreKeys(Failure):
    """The list of a Store's signing keys is damaged, or its root has not signed it."""

    code = "bad-store-keys"
    advice = "Ask the Store for a new file, and compare the fingerprint of its root."


class BadNotices(Failure):
    """The file is not what a Store has signed for its sites."""

    code = "bad-notices"
    advice = "Ask the Store for a file of `triseal store export-notices`."


class OtherKeyInUse(Failure):
    """Another command has activated another key of the Store at the same time."""

    code = "other-key-in-use"
    advice = "Repeat the command."


class NoRoot(Failure):
    """The Store has no root that could name another signing key."""

    code = "no-root"
    advice = "Run `triseal store key root`, and let sites trust the new certificate."


class StoreEnded(Failure):
    """The Store's certificate has ended, so that the Store can't countersign."""

    code = "store-ended"
    advice = "Run `triseal store renew` in the Store's home; sites need not trust it again."


class BadWho(Failure):
    """Nobody is recorded by this name, which does not say how the Store knows it."""

    code = "bad-who"
    advice = "Give local:USER or certificate:NAME."


class UnknownService(Failure):
    """The Store has no such service or version."""

    code = "unknown-service"
    advice = "See `triseal store list`."


class BadAnswer(Failure):
    """The server answers, or the files are, but not as those of a Store."""

    code = "bad-answer"
    advice = "Check the URL; update Triseal if the Store is newer."


class StoreBehind(Failure):
    """The Store's database is older than what the Store has signed: a backup was restored."""

    code = "store-behind"
    advice = "Look through its releases and developers, then run: triseal store restored."


class LogMayBeOld(Failure):
    """The Store's whole folder was restored, and others may have seen a newer log."""

    code = "log-may-be-old"
    advice = (
        "Take the newer log from a mirror: triseal store restored --mirror URL. If the Store has"
        " published nothing since the backup: triseal store restored --log-is-newest."
    )


class DamagedStore(Failure):
    """The Store's own files have changed since they were written."""

    code = "damaged-store"
    advice = "Restore the Store's home from a backup."


# Databases; more are in `triseal.database`.


class DatabaseUnusable(Failure):
    """The database can't be opened, read or written."""

    code = "database-unusable"
    advice = "Check the path or URL; if the file is damaged, restore a backup."


# Output, and files that people inspect.


class OutputLost(Failure):
    """What a command prints could not be written."""

    code = "output-lost"
    advice = "Look at what the command has done before you repeat it with another output."


class ClockNotSet(Failure):
    """The computer's time is before this program was made, as after a start without any time."""

    code = "clock-not-set"
    advice = "Set the computer's clock (NTP), then repeat the command."


class NotRecognised(Failure):
    """Triseal does not know this kind of file."""

    code = "not-recognised"
    advice = "Give a seal, package, trust bundle, certificate, request or evidence."


class SeveralInFile(Failure):
    """The file holds several certificates, requests or keys where one is expected."""

    code = "several-in-file"
    advice = "Split it, and give a file with the one that is meant."


class NoContradiction(Failure):
    """The two seals do not contradict each other."""

    code = "no-contradiction"
    advice = "These two seals are no evidence; there is nothing to report."


# Trust bundles that wait for signatures.


class NotABundleRequest(Failure):
    """The file is no request for signatures on a trust bundle, or not one for the same bundle."""

    code = "not-a-bundle-request"
    advice = "Give the files that one change of trust has made, signed by: triseal site root sign."


class NotARoot(Failure):
    """The key is none of the roots that may sign the trust bundle."""

    code = "not-a-root"
    advice = "Give the key of a root of this site; triseal site root status lists them."
