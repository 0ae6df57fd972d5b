"""Connects to a name with several addresses: TURN PORT..., each port of another address."""

import asyncio
import socket
import sys

from nlsm import secure

turn, *ports = (int(word) for word in sys.argv[1:])


class Sockets:
    """A `socket` whose name server knows these addresses."""

    SOCK_STREAM = socket.SOCK_STREAM
    socket = socket.socket

    @staticmethod
    def getaddrinfo(host, port, *_):
        return [socket.getaddrinfo("127.0.0.1", port)[0] for port in ports]


async def main():
    secure.socket = Sockets
    one = await secure.connect(("site.example", 1), turn, 8)
    one.setblocking(True)
    print(one.read(5).decode())
    one.close()


try:
    asyncio.run(main())
except OSError:
    print("refused")
