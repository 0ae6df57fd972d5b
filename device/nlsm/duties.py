"""What the node does about each message of its site."""

from sealcore import der, errors, keys, messages, names
from sealcore.compat import const

from . import clock, installer, keystore, starter, trust

_RETRY_S = const(60)
_QUIET_MS = const(500)
_PATIENCE_MS = const(60000)
_MAX_REQUEST = const(1024)


def take(link, kind: int, values) -> None:
    """Do what a message says. Raises SealError where the connection must end."""
    if "enrol" in link.node.settings:
        from . import newcomer

        newcomer.take(kind, values)
        return
    if kind not in _DUTIES or (kind == messages.WELCOME) == link.greeted:
        raise errors.BadMessage("kind %d now" % kind)
    _DUTIES[kind](link, *values)
    node = link.node
    if node.held and clock.ms() < link.patience:
        node.hold(_QUIET_MS)


def _welcome(link, signed, newer) -> None:
    node = link.node
    if node.failure:
        raise node.failure
    from . import timing

    timing.take(node.clock, link.question, signed, trust.load())
    if link.peer:
        keys.check_time(link.peer, node.clock.now())
    link.greeted = True
    if newer:
        _believe(node, newer)
    for one in node.services.values():
        if one.code:  # HELLO has no room for reasons
            link.report(one)
    if link.peer:
        # What it says next, in one breath, comes before any service is imported.
        link.patience = clock.ms() + _PATIENCE_MS
        node.hold(_QUIET_MS)
    node.check()
    _renew_certificate(link)


def _time(link, signed) -> None:
    """The answer to ASK_TIME: what had expired, or is valid by now, is judged again."""
    from . import timing

    link.answered("=")
    before = link.node.clock.known()
    try:
        timing.take(link.node.clock, link.question, signed, trust.load())
        link.helped(link.node.clock.known() - before)
    except errors.Rollback as error:  # the floor is later: seals are judged by that
        link.say(error.code, error)
    link.node.check()


def _renew_certificate(link) -> None:
    """Ask for the node's next certificate, long before it is needed: a node connects seldom.

    A request that is gone or damaged is said, and nothing else: services are renewed without it.
    """
    own = trust.load()
    if link.node.clock.now() < own.renew_at:
        return
    request = keystore.read(keystore.ROOT + "/node.csr", _MAX_REQUEST)
    try:
        der.single(request)
        if own.spki not in request:
            raise errors.WrongKey
    except errors.SealError as error:
        link.say(error.code, "node.csr is damaged: triseal node provision")
        return
    link.send(messages.write(messages.ENROL, request, b""))


def _enrolled(link, certificate) -> None:
    """The node's next certificate: for the key that it has."""
    from sealcore import identity

    own = trust.load()
    new = identity.parse(certificate)
    uri = identity.node(own.site, own.node)
    # What is not signed by the site is refused whatever the time; what is says that it is so late.
    identity.check(new, own.site_keys, uri, max(link.node.clock.now(), new.not_before))
    link.node.clock.rise(new.not_before)
    if bytes(new.spki) != own.spki:
        raise errors.WrongKey("node certificate")
    keystore.write(keystore.ROOT + "/node.crt", certificate)
    trust.changed()


def _believe(node, newer: bytes) -> None:
    """Take a newer trust bundle; what it does not bear out any longer ends."""
    from . import enrol, recovery

    # Whatever services are called whose files have come in part: none is in the way.
    recovery.remove(keystore.INCOMING)
    recovery.make(keystore.INCOMING)
    keystore.write(keystore.INCOMING + "/bundle.der", newer)
    enrol.accept()
    own = trust.load()
    node.bundle = own.version
    node.clock.rise(own.signed)
    for one in node.services.values():
        if one.state == "running":
            installer.recheck(node, one)
        elif one.state == "refused":
            one.set("installing")


def _assign(link, name, seal, files) -> None:
    """A whole seal: for what is installed if its files are the same, else with all its files."""
    from . import download

    link.answered(name)
    names.check_label(name)
    download.check_files(files)
    one = link.node.services.get(name)
    folder = keystore.SERVICES + "/" + name
    for file, _, wanted in files:
        if one is None or download.digest(folder + "/" + file) != wanted:
            if not link.download:
                link.download = download.Download(link)
            link.download.add(name, seal, files)
            return
    try:
        installer.renew(link.node, one, seal)
        if one.then in ("remove", "replace"):  # that was what the site wanted before
            one.finish("start", "installing")
        link.report(one)
    except errors.SealError as error:
        installer.refuse(link.node, one, error, seal, folder)


def _chunk(link, digest, offset, octets) -> None:
    if not link.download:
        raise errors.BadMessage("chunk")
    link.download.take(digest, offset, octets)


def _remove(link, gone) -> None:
    for name in gone:
        one = link.node.services.get(name)
        if link.download:
            link.download.leave(name)
        if one:
            one.finish("remove", "stopped", "removed")


def _renewed(link, not_before, not_after, deltas) -> None:
    link.validity = not_before, not_after
    link.renewed = deltas


def renew(link, name, serial, signature) -> None:
    """Take one of the renewals that have come."""
    from sealcore import delta

    one = link.node.services.get(name)
    if not one:
        return
    link.answered(name)
    try:
        seal = delta.apply(starter.site_seal(one), serial, *link.validity, signature)  # type: ignore[call-arg] # two
        installer.renew(link.node, one, seal)
    except errors.SealError as error:
        # The copy at hand may be what is wrong: ask for the whole seal, after a while.
        print("triseal: %s: renewal: %s: %s" % (name, error.code, error))
        one.serial = b""
        if error.code == "expired":
            link.doubt_time()
        link.answered(name, link.node.clock.now() + 1)


def _refused(link, name, code) -> None:
    print("triseal: %s: the site refuses: %s" % (name, code))
    link.answered(name, link.node.clock.now() + _RETRY_S)
    if link.download:
        link.download.more()  # it may have been its turn


def _renew_now(link, changed) -> None:
    link.ask([name for name in changed if name in link.node.services])


def _restart(link, names) -> None:
    for name in names:
        one = link.node.services.get(name)
        if one and not one.then:
            from . import quarantine

            quarantine.lift(link.node, name)
            one.fails = 0
            one.again("restart")
            link.report(one)


def _follow(link, wanted) -> None:
    link.node.followers = [link.log] if wanted else []


_DUTIES: dict = {
    messages.WELCOME: _welcome,
    messages.ASSIGN: _assign,
    messages.REMOVE: _remove,
    messages.RENEWED: _renewed,
    messages.REFUSED: _refused,
    messages.RENEWNOW: _renew_now,
    messages.CHUNK: _chunk,
    messages.ENROLLED: _enrolled,
    messages.FOLLOW: _follow,
    messages.RESTART: _restart,
    messages.TIME: _time,
}
