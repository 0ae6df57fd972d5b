from collections.abc import Callable
from typing import Any

PROTOCOL_TLS_CLIENT: int
CERT_OPTIONAL: int

class SSLContext:
    verify_mode: int
    verify_callback: Callable[[Any, int], int] | None

    def __init__(self, protocol: int, /) -> None: ...
    def load_cert_chain(self, certificate: bytes, key: bytes) -> None: ...
    def wrap_socket(
        self,
        sock: object,
        *,
        server_side: bool = False,
        do_handshake_on_connect: bool = True,
        server_hostname: str | None = None,
    ) -> Any: ...
