"""Handles each message that the site sends to the node."""

from sealcore import der, errors, keys, messages
from sealcore.compat import const

from . import clock, installer, keystore, starter, trust

_RETRY_S = const(60)
_QUIET_MS = const(500)
_PATIENCE_MS = const(60000)
_MAX_REQUEST = const(1024)


def take(link, kind: int, values) -> None:
    """Do what a message asks for. Raises SealError if the connection must end."""
    if "enrol" in link.node.settings:
        from . import newcomer

        newcomer.take(kind, values)
        return
    if kind == messages.SETTINGS and link.greeted:
        from . import settle

        settle.take(link, *values)
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
        link.peer = True  # the Identity would keep its module in memory
    link.greeted = True
    if node.offered:
        from . import settle

        settle.keep(node)
    if newer:
        _believe(node, newer)
    for one in node.services.values():
        # HELLO has no room for the reasons. A report also says that a newer bundle was stored.
        if newer or one.code:
            link.report(one)
    if link.peer:
        # Start nothing yet: the site's next messages, which follow at once, must be handled first.
        link.patience = clock.ms() + _PATIENCE_MS
        node.hold(_QUIET_MS)
    node.recheck()
    _renew_certificate(link)
    from . import answers

    link.send(answers.machine(node.settings))


def _time(link, signed) -> None:
    """Handle the answer to ASK_TIME: set the clock, and check again what had expired or was too
    early.
    """
    from . import timing

    link.answered("=")
    before = link.node.clock.known()
    try:
        timing.take(link.node.clock, link.question, signed, trust.load())
        link.helped(link.node.clock.known() - before)
    # The floor is later than this time, so seals are checked against the floor.
    except errors.Rollback as error:
        link.say(error.code, error)
    except errors.BadMessage as error:  # it came too late, because the node was busy: ask again
        link.say(error.code, error)
    link.node.recheck()


def _renew_certificate(link) -> None:
    """Ask for the node's next certificate, long before the old one expires: a node may connect
    rarely.

    If the stored request is missing or damaged, print that and go on: seals are renewed without it.
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
    from . import enrol

    enrol.renewed(link, certificate)


def _believe(node, newer: bytes) -> None:
    """Take a newer trust bundle, and check every running and refused service against it."""
    from . import enrol, recovery

    # Delete files that have arrived in part: a service of any name must not be in the way.
    recovery.remove(keystore.INCOMING)
    recovery.make(keystore.INCOMING)
    keystore.write(keystore.INCOMING + "/bundle.der", newer)
    enrol.accept()
    own = trust.load()
    node.bundle = own.bundle
    node.clock.rise(own.signed)
    for one in node.services.values():
        if one.state == "running":
            installer.recheck(node, one)
        elif one.state == "refused":
            one.set("installing")


def _assign(link, name, seal, files) -> None:
    """Take a complete site seal.

    If the files of the installed service are the same, this renews its seal. Otherwise the node
    downloads all files that differ.
    """
    from . import download

    link.answered(name)
    if download.offer(link, name, seal, files):
        return
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
        if one.then in ("remove", "replace"):  # cancel what the site wanted before
            one.finish("start", "installing")
        link.report(one)
    except errors.SealError as error:
        installer.refuse(link.node, one, error, seal, folder)


def _chunk(link, digest, offset, data) -> None:
    if not link.download:
        raise errors.BadMessage("chunk")
    link.download.take(digest, offset, data)


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
    """Apply one of the renewals that have arrived: rebuild and check the seal."""
    from sealcore import delta

    one = link.node.services.get(name)
    if not one:
        return
    link.answered(name)
    try:
        seal = delta.apply(starter.site_seal(one), serial, *link.validity, signature)  # type: ignore[call-arg] # two
        installer.renew(link.node, one, seal)
    except errors.SealError as error:
        # The seal on flash may be the wrong part: ask for the whole seal, a second later.
        print("triseal: %s: renewal: %s: %s" % (name, error.code, error))
        one.serial = b""
        if error.code == "expired":
            link.doubt_time()
        link.answered(name, link.node.clock.now() + 1)


def _refused(link, name, code) -> None:
    print("triseal: %s: the site refuses: %s" % (name, code))
    link.answered(name, link.node.clock.now() + _RETRY_S)
    if link.download:
        link.download.more()  # it may be the turn of a service that was put off


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
    messages.PIECES: _chunk,
    messages.ENROLLED: _enrolled,
    messages.FOLLOW: _follow,
    messages.RESTART: _restart,
    messages.TIME: _time,
}
