"""Run by the bench `server_memory`: a plain TLS echo server of asyncio, as its manual shows it."""

import asyncio
import ssl
import sys


class _Echo(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        if isinstance(self._transport, asyncio.Transport):
            self._transport.write(data)


async def serve(certificate: str, authority: str) -> None:
    """Listen on any port, print it, and serve until the process is ended.

    Args:
        certificate: path of the server's certificate and key, PEM.
        authority: path of the certificate that clients' certificates must be of, PEM.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    context.load_verify_locations(authority)
    context.verify_mode = ssl.CERT_REQUIRED
    server = await asyncio.get_running_loop().create_server(_Echo, "127.0.0.1", 0, ssl=context)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(*sys.argv[1:]))
