"""TLS of the node, and whom it takes for its site's server."""

import asyncio
import errno
import select
import socket

import tls

from sealcore import identity
from sealcore.compat import const

from . import keystore, trust

_MOST_ADDRESSES = const(4)
_PAUSE_MS = const(50)


async def connect(server, turn: int, seconds: int):
    """A socket that is connected to a server, by any of the addresses that its name has.

    Args:
        server: (name or address, port).
        turn: the number of the address that comes first. The next one, if what answers there was
            not the server.
        seconds: for all of them.

    Raises OSError or asyncio.TimeoutError, of the last address.
    """
    found = socket.getaddrinfo(server[0], server[1], 0, socket.SOCK_STREAM)[:_MOST_ADDRESSES]
    failed: Exception = OSError(errno.ENOENT)
    for number in range(len(found)):
        place = found[(turn + number) % len(found)]
        one = socket.socket(place[0], place[1], place[2])
        try:
            one.setblocking(False)
            await asyncio.wait_for(_connected(one, place[-1]), seconds // len(found))
            found = ()
            return one
        except (OSError, asyncio.TimeoutError) as error:
            failed = error
        finally:
            if found:
                one.close()
    raise failed


async def _connected(one, address) -> None:
    try:
        one.connect(address)
    except OSError as error:
        if error.errno != errno.EINPROGRESS:
            raise
    poll = select.poll()
    poll.register(one, select.POLLOUT)
    while True:
        for state in poll.poll(0):
            if state[1] & (select.POLLERR | select.POLLHUP):
                raise OSError(errno.ECONNREFUSED)
            return
        await asyncio.sleep_ms(_PAUSE_MS)


def context(seen: list):
    """TLS as the node, or as nobody before it is one, with a peer that `check_peer` judges: the
    port does not know the SLCA, and checks no validity.

    Args:
        seen: takes the peer's certificate, DER, during the handshake.
    """

    def take_certificate(der, depth) -> int:
        if depth == 0:
            seen.append(bytes(der))
        return 0

    made = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
    made.verify_mode = tls.CERT_OPTIONAL
    made.verify_callback = take_certificate
    certificate = keystore.read(keystore.ROOT + "/node.crt")
    if certificate:
        made.load_cert_chain(certificate, keystore.read(keystore.ROOT + "/node.key"))
    return made


def check_peer(node, der) -> identity.Identity:
    """The server's certificate is the SLSM's of this site, and had not expired at the floor: only
    WELCOME tells the time, and then it is looked at once more.

    TLS has made sure that the server has its key.
    """
    own = _believed() if "enrol" in node.settings else trust.load()
    peer = identity.parse(der)
    now = max(peer.not_before, node.clock.floor)
    identity.check(peer, own.site_keys, identity.slsm(own.site), now)
    return peer


def _believed():
    from . import identify

    return identify.believed()
