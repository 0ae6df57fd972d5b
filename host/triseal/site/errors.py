"""What a site refuses beside bad seals: flat leaves, each with a code and advice."""

from __future__ import annotations

from triseal.errors import Failure


class UnknownNode(Failure):
    """The site has no such node."""

    code = "unknown-node"
    advice = "Add it: triseal site add-node NAME."


class NodeRetired(Failure):
    """The node was retired: it gets nothing, for ever."""

    code = "node-retired"
    advice = "Give the board a new name and add that."


class NotEnrolled(Failure):
    """The site does not know the node's key yet."""

    code = "node-not-enrolled"
    advice = "Provision it: triseal node provision --port PORT --node NAME."


class OtherKey(Failure):
    """The node is enrolled with another key."""

    code = "other-node-key"
    advice = (
        "If the board was wiped or exchanged, repeat with --replace; else find out whose key it is."
    )


class OtherNode(Failure):
    """A certificate request names another node."""

    code = "other-node"
    advice = "Give the request that this node made."


class BadToken(Failure):
    """No board is awaited with such a one-time token."""

    code = "bad-token"
    advice = "Flash the newest image of the node: each one makes those before it void."


class TokenExpired(Failure):
    """A board comes too late with its one-time token."""

    code = "token-expired"
    advice = "Make a new image: triseal node image."


class TokenUsed(Failure):
    """Another key has used this one-time token up."""

    code = "token-used"
    advice = (
        "If the board was flashed again, make a new image with --replace; else find out who did."
    )


class UnknownService(Failure):
    """The site has no package of this service."""

    code = "unknown-service"
    advice = "Add it: triseal site add-service PACKAGE."


class NotAssigned(Failure):
    """The service is not assigned to this node."""

    code = "not-assigned"
    advice = "Assign it: triseal site deploy NODE SERVICE."


class NotRequested(Failure):
    """A grant goes beyond what the service's metadata asks for."""

    code = "not-requested"
    advice = "Check the spelling; --force grants it all the same."


class GrantedEverywhere(Failure):
    """The grant holds for all nodes, so it can't be taken from one of them."""

    code = "granted-everywhere"
    advice = "Revoke it without --node, then grant it to the nodes that keep it."


class NoSuchGrant(Failure):
    """The grant that should be revoked was never given."""

    code = "no-such-grant"
    advice = "See `triseal site services`."


class BadAuthority(Failure):
    """A file is no CA certificate that a site could trust."""

    code = "bad-authority"
    advice = "Give the Store's own self-signed CA certificate, DER or PEM."


class NameTaken(Failure):
    """Somebody else has this name already."""

    code = "name-taken"
    advice = "Give another name."


class Changed(Failure):
    """What was being sealed changed meanwhile; nothing was issued."""

    code = "changed-meanwhile"
    advice = "Repeat the command."


class NothingHeld(Failure):
    """No release of the service is held back, so there is none to go back to."""

    code = "nothing-held"
    advice = "To undo a release that all nodes may have, sign the old content as a newer version."


class NoWayBack(Failure):
    """Nodes were given a higher security version: they refuse all that is below it, for ever."""

    code = "no-way-back"
    advice = "Roll a newer version out to them that works; others go back with --node."


class OtherVersion(Failure):
    """The newest version of a service is another one than was asked for."""

    code = "other-version"
    advice = "See `triseal site services`; somebody may have added one meanwhile."


class OtherDeveloper(Failure):
    """A package would give a service, and its grants, to another developer."""

    code = "other-developer"
    advice = "If the service has passed on, repeat with --other-developer."


class Incomplete(Failure):
    """The folder of the site lacks something."""

    code = "site-incomplete"
    advice = "Restore the folder from a backup."


class UnknownKey(Failure):
    """The site trusts nobody of this name."""

    code = "unknown-key"
    advice = "See `triseal site status` for whom it trusts."


class NoAgent(Failure):
    """Nothing answers as the agent of a node does."""

    code = "no-agent"
    advice = "Provision the board, or restart it: triseal node restart --port PORT."


class OtherBoard(Failure):
    """The board at the port is another node, or none."""

    code = "other-board"
    advice = "Check the port, or provision the board: triseal node provision."


class AlreadyNode(Failure):
    """A board that shall become a node is another one."""

    code = "already-node"
    advice = "Check the port; to make it the other node, retire the one it is and give --replace."


class WatchdogTooLong(Failure):
    """The hardware of a board has no watchdog of so many seconds."""

    code = "watchdog-too-long"
    advice = "Give a shorter --watchdog, or 0 for none."


class NotConfirmed(Failure):
    """Nodes have not said in time that they run what they shall."""

    code = "not-confirmed"
    advice = "Look at the node: triseal node status --port PORT, or the server's log."
