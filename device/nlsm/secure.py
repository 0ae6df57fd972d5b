"""TLS of the node, and the check that the peer is the server of its site."""

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
    """Return a socket that is connected to a server, over any address of its name.

    Args:
        server: (name or address, port).
        turn: which address is tried first. The caller adds one if the host at an address was not
            the server.
        seconds: time limit for all addresses together.

    Raises OSError or asyncio.TimeoutError, from the last address.
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
    """Return a TLS context for the node; a board without a certificate stays anonymous.

    It accepts any peer, because the port does not know the SLCA and checks no validity. The caller
    must check the peer with `check_peer`.

    Args:
        seen: a list that receives the peer's certificate (DER) during the handshake.
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
    """Check that the certificate is the SLSM's of this site and had not expired at the floor.

    The time is known only after WELCOME; then the validity is checked again. The TLS handshake has
    proved already that the server has the key of the certificate.
    """
    own = _believed() if "enrol" in node.settings else trust.load()
    peer = identity.parse(der)
    now = max(peer.not_before, node.clock.floor)
    identity.check(peer, own.site_keys, identity.slsm(own.site), now)
    return peer


def _believed():
    from . import identify

    return identify.believed()
