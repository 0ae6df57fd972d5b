"""The errors of a site besides refused seals: flat leaves, each with a code and advice."""

from __future__ import annotations

from typing import TYPE_CHECKING

from triseal.errors import DatabaseUnusable, Failure

if TYPE_CHECKING:
    from triseal.bundlerequest import BundleRequest


class UnknownNode(Failure):
    """The site has no such node."""

    code = "unknown-node"
    advice = "Add it: triseal site add-node NAME."


class NodeRetired(Failure):
    """The node is retired forever: it gets nothing more."""

    code = "node-retired"
    advice = "Give the board a new name, and add a node of that name."


class NotEnrolled(Failure):
    """The site does not know the node's key yet."""

    code = "node-not-enrolled"
    advice = "Provision it: triseal node provision --port PORT --node NAME."


class OtherKey(Failure):
    """The node is enrolled with another key."""

    code = "other-node-key"
    advice = (
        "If the board was wiped or replaced, repeat with --replace; otherwise find out "
        "whose key it is."
    )


class OtherNode(Failure):
    """A certificate request names another node."""

    code = "other-node"
    advice = "Give the request that was made by this node."


class BadToken(Failure):
    """No board is expected with such a one-time token."""

    code = "bad-token"
    advice = "Flash the newest image of the node: a new image makes older ones void."


class TokenExpired(Failure):
    """A board has used its one-time token too late."""

    code = "token-expired"
    advice = "Make a new image: triseal node image."


class TokenUsed(Failure):
    """Another key has already used this one-time token."""

    code = "token-used"
    advice = (
        "If the board was flashed again, make a new image with --replace; otherwise find out "
        "who used the token."
    )


class UnknownService(Failure):
    """The site has no package of this service."""

    code = "unknown-service"
    advice = "Add it: triseal site add-service PACKAGE."


class NotAssigned(Failure):
    """The service is not assigned to this node."""

    code = "not-assigned"
    # It holds for who takes a service away, too: nobody is told to deploy what should go.
    advice = "See which services each node has: triseal site status."


class BadSelector(Failure):
    """A label or a selector of nodes is malformed."""

    code = "bad-selector"
    advice = "Write it as floor=2,chip!=esp32; see host/OPERATIONS.md, labels and selectors."


class NoNodeMatches(Failure):
    """A selector matches no node."""

    code = "no-node-matches"
    advice = "See labels and facts of all nodes: triseal site nodes -o wide."


class ByRule(Failure):
    """A rule gives the service to this node, so that it would come back."""

    code = "by-rule"
    advice = "Remove the rule (triseal site remove-rule) or change the labels of the node."


class NoSuchRule(Failure):
    """There is no such rule."""

    code = "no-such-rule"
    advice = "See all rules: triseal site rules."


class NotRetired(Failure):
    """Only a retired node can be forgotten."""

    code = "not-retired"
    advice = "Cut it off first: triseal site retire NODE."


class MayRun(Failure):
    """Something that would be deleted may still run on a node that nobody can reach."""

    code = "may-run"
    advice = "Wait until that time, then repeat."


class StillNeeded(Failure):
    """A service is still wanted somewhere."""

    code = "still-needed"
    advice = "Take it away first: triseal site undeploy, remove-rule."


class NotRequested(Failure):
    """The service's metadata does not ask for this grant."""

    code = "not-requested"
    advice = "Check the spelling; --force grants it anyway."


class GrantedEverywhere(Failure):
    """The grant holds on all nodes, so that it can't be taken from one of them."""

    code = "granted-everywhere"
    advice = "Revoke it without --node, then grant it again to the nodes that must keep it."


class NoSuchGrant(Failure):
    """The grant to revoke was never given."""

    code = "no-such-grant"
    advice = "See `triseal site services`."


class BadAuthority(Failure):
    """The file is not a CA certificate that a site can trust."""

    code = "bad-authority"
    advice = "Give the Store's own self-signed CA certificate, DER or PEM."


class NameTaken(Failure):
    """The name is already taken."""

    code = "name-taken"
    advice = "Choose another name."


class CertificateNotValid(Failure):
    """The site's own certificate is not valid now: every node would turn the server away."""

    code = "certificate-not-valid"
    advice = (
        "Correct the clock (NTP). If the clock is right, `triseal site key renew` makes a "
        "certificate that is valid now."
    )


class Changed(Failure):
    """The site changed while something was signed; nothing was issued."""

    code = "changed-meanwhile"
    advice = "Repeat the command."


class ManyNodes(Failure):
    """A new version would go to several nodes at once, and nobody has said that it should."""

    code = "many-nodes"
    advice = (
        "Add it with --hold, then move a few nodes first (triseal site rollout); or give --now to"
        " move all of them now."
    )


class NothingHeld(Failure):
    """No release of the service is held back, so that there is none to go back to."""

    code = "nothing-held"
    advice = "To undo a release that all nodes may have, sign the old content as a newer version."


class NoWayBack(Failure):
    """Nodes were given a higher security version: they refuse all lower ones forever."""

    code = "no-way-back"
    advice = "Roll out a newer version that works to these nodes; take others back with --node."


class OtherVersion(Failure):
    """The newest version of the service is not the given one."""

    code = "other-version"
    advice = "See `triseal site services`; somebody may have added a version meanwhile."


class OtherDeveloper(Failure):
    """The package would give the service, with its grants, to another developer."""

    code = "other-developer"
    advice = "If the service now belongs to this developer, repeat with --other-developer."


class Incomplete(Failure):
    """Something is missing in the folder or in the database of the site, or is damaged."""

    code = "site-incomplete"
    advice = "Restore the folder and the database from a backup."


class UnknownKey(Failure):
    """The site trusts no key of this name."""

    code = "unknown-key"
    advice = "See `triseal site status` for the names that it trusts."


class NoAgent(Failure):
    """Nothing at the port answers like the agent of a node."""

    code = "no-agent"
    advice = "Provision the board, or restart it: triseal node restart --port PORT."


class NodeStopped(Failure):
    """A command was interrupted, and the node could not be started again."""

    code = "node-stopped"
    advice = "Restart it: triseal node restart --port PORT; or switch the board off and on."


class OtherBoard(Failure):
    """The board at the port is another node, or not a node."""

    code = "other-board"
    advice = "Check the port, or provision the board: triseal node provision."


class AlreadyNode(Failure):
    """The board is already another node, or needs no enrolment any more."""

    code = "already-node"
    advice = "Check the port. To give the board another name, retire its node and give --replace."


class BadSettings(Failure):
    """A node could not use one of its settings."""

    code = "bad-settings"
    advice = "Correct the setting; see host/REFERENCE.md, settings of a node."


class SettingsGivenUp(Failure):
    """Nodes did not reach the site with new settings, and have returned to those before."""

    code = "settings-given-up"
    advice = "Correct them and repeat; the nodes are back with their old settings."


class SecretLost(Failure):
    """A secret of the settings can't be opened: its vault is not the one in the site's folder."""

    code = "secret-lost"
    advice = "Restore settings.key from the backup of the site's folder, or give the secret again."


class WatchdogTooLong(Failure):
    """The hardware watchdog of the board can't count so many seconds."""

    code = "watchdog-too-long"
    advice = "Give a shorter --watchdog, or 0 for none."


class NotConfirmed(Failure):
    """Nodes have not confirmed in time that they run a service in its desired state."""

    code = "not-confirmed"
    advice = (
        "See what the nodes have reported, and when they were heard: triseal site status; or ask a"
        " node at its cable: triseal node status --port PORT."
    )


class DatabaseBehind(DatabaseUnusable):
    """The database is older than what the site has changed and sealed: a backup was restored."""

    code = "database-behind"
    advice = "Look through its grants, nodes and keys, then run: triseal site restored."


class WrongStep(Failure):
    """This step of the change of the site's key is not the next one."""

    code = "wrong-step"
    advice = "`triseal site key status` names the next step; `triseal site key rotate` does all."


class TokenWanted(Failure):
    """The next key of the site would not be on a token, as the present one is."""

    code = "token-wanted"
    advice = "Give the place of the new key with --key pkcs11:..., or file: for a key file."


class NodesWaiting(Failure):
    """Some nodes don't know the next key of the site yet: the step would cut them off."""

    code = "nodes-waiting"
    advice = (
        "Wait until they have connected. With --force they are cut off, and come back by cable "
        "(triseal node provision) alone; `triseal site retire` is for nodes that are gone."
    )


class OlderNotices(Failure):
    """The site knows more of this Store than the file says."""

    code = "older-notices"
    advice = "Ask the Store for a new file of `triseal store export-notices`."


class NoticesGap(Failure):
    """The file begins after what the site knows of this Store."""

    code = "notices-gap"
    advice = "Ask the Store for a file with the changes between: --since gives its begin."


class NoticesDiffer(Failure):
    """The file tells another history than the Store has told before."""

    code = "notices-differ"
    advice = "Ask the Store why; if it has restored a backup, give --anew."


class OtherRoot(Failure):
    """The certificate of a trusted Store names another root than before."""

    code = "other-root"
    advice = "Ask the Store; if it has another root, distrust it, and trust it again."


class UnfitBoards(Failure):
    """Boards can't take an agent or a firmware: what they said of themselves does not fit it."""

    code = "unfit-boards"
    advice = (
        "Leave them out. Where an agent is too old, provision the board once with this release "
        "(triseal node provision); without a spare partition, flash it."
    )


class OverCable(Failure):
    """An agent can't be deployed over a cable, since provisioning does that; nor can a firmware."""

    code = "over-cable"
    advice = (
        "Copy the agent with triseal node provision and a firmware with triseal node flash, or let "
        "it come over the link."
    )


class FingerprintWanted(Failure):
    """Only the Store vouches for a developer's new key: a person must compare its fingerprint."""

    code = "fingerprint-wanted"
    advice = "Compare it with the developer, and give it with --fingerprint."


class SignaturesWanted(Failure):
    """The trust bundle must be signed by roots whose keys are not here.

    Args:
        detail: what was seen.
        request: the bundle with the signatures that it has.
    """

    code = "signatures-wanted"
    advice = (
        "Give more keys with --key, or take the request file to the other roots"
        " (triseal site root sign), then: triseal site root collect."
    )

    def __init__(self, detail: str, request: BundleRequest | None = None) -> None:
        super().__init__(detail)
        self.request = request


class NoSiteRoot(Failure):
    """The site was made by an older program and has no root yet, which a change of trust needs."""

    code = "no-site-root"
    advice = "Make the first one, once: triseal site root init."


class TooFewRoots(Failure):
    """More roots would have to sign a change of trust than there are."""

    code = "too-few-roots"
    advice = "Add a root first (triseal site root add), or lower the threshold."
