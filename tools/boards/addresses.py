"""Addresses as HOST:PORT, read in one strict way wherever a person or a program gives one."""

import ipaddress
import re
from collections.abc import Mapping

from boards.errors import BadAddress

SOCKET = "socket://"
MAX_PORT = 65535

# RFC 1123 section 2.1. RFC 1035 section 2.3.4 has the lengths.
_LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
_MAX_NAME = 253
# Resolvers read a last label like this as a part of an IPv4 address: 127.1, 0x7f000001.
_NUMBER = re.compile(r"[0-9]+|0[xX][0-9A-Fa-f]*")
_PORT = re.compile(r"0|[1-9][0-9]{0,4}")
_IPV6_CHARACTERS = re.compile(r"[0-9A-Fa-f:.]*")
_ZONE = re.compile(r"[A-Za-z0-9._-]{1,64}")


def parse(text: str) -> tuple[str, int]:
    """Read the address of a server: NAME:PORT, IPV4:PORT or [IPV6]:PORT.

    Args:
        text: the address.

    Returns: the host, without brackets, and the port, 1 to 65535.

    Raises:
        BadAddress: it has another form, or nothing can connect to it.
    """
    host, port = _split(text)
    check(host, port)
    return host, port


def parse_listening(text: str) -> tuple[str, int]:
    """Read an address at which a server listens.

    Args:
        text: as for `parse`. The port may be 0, for any free one. The host may be the address of
            all interfaces (0.0.0.0, [::]), and an IPv6 address may have a zone ([fe80::1%eth0]).

    Raises:
        BadAddress: it has another form.
    """
    host, port = _split(text)
    plain, percent, zone = host.partition("%")
    if percent and (":" not in plain or not _ZONE.fullmatch(zone)):
        raise BadAddress(f"{text!r} has no zone of an IPv6 address after the '%'")
    _check_host(plain)
    _check_port(port, least=0)
    return host, port


def check(host: object, port: object) -> None:
    """Check the parts of the address of a server.

    Args:
        host: a name (RFC 1123), or an IPv4 or IPv6 address without brackets.
        port: a number, 1 to 65535.

    Raises:
        BadAddress: they are something else, or nothing can connect to them.
    """
    if not isinstance(host, str):
        raise BadAddress(f"the host {host!r} is not a text")
    address = _check_host(host)
    if address and (address.is_unspecified or address.is_multicast or host == "255.255.255.255"):
        raise BadAddress(f"{host} is not the address of one computer")
    _check_port(port, least=1)


def check_settings(settings: Mapping[str, object]) -> None:
    """Check the address of the server in the settings of a node, if they have one.

    Args:
        settings: the contents of a settings.json; `server` is the host and the port.

    Raises:
        BadAddress: a node could not connect to it.
    """
    if "server" not in settings:
        return
    server = settings["server"]
    if not isinstance(server, list | tuple) or len(server) != 2:
        raise BadAddress(f"the setting 'server' is {server!r}, not a host and a port")
    check(*server)


def check_url(port: str) -> None:
    """Check the address in the name of a board's port, if it is `socket://HOST:PORT`.

    Args:
        port: a path, or a URL that pyserial knows.

    Raises:
        BadAddress: the address has another form.
    """
    if port.lower().startswith(SOCKET):
        parse(re.split("[/?]", port[len(SOCKET) :], maxsplit=1)[0])


def _split(text: str) -> tuple[str, int]:
    if "://" in text:
        raise BadAddress(f"{text!r} begins with a scheme")
    if "@" in text:
        raise BadAddress(f"{text!r} names a user")
    if text != "".join(text.split()):
        raise BadAddress(f"{text!r} has a blank in it")
    bracket = text.startswith("[")
    host, colon, port = text[bracket:].partition("]:" if bracket else ":")
    if not bracket and ":" in port:
        raise BadAddress(f"{text!r} has several colons: an IPv6 address stands in brackets")
    if bracket and ":" not in host:
        raise BadAddress(f"{text!r} has no IPv6 address in its brackets")
    if not colon or not host or not port:
        raise BadAddress(f"{text!r} has no {'port' if host else 'host'}")
    if not _PORT.fullmatch(port):
        raise BadAddress(f"{port!r} is not a port")
    return host, int(port)


def _check_port(port: object, least: int) -> None:
    if type(port) is not int or not least <= port <= MAX_PORT:
        raise BadAddress(f"{port!r} is not a port from {least} to {MAX_PORT}")


def _check_host(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Return the IP address, or None for a name."""
    labels = host.split(".")
    try:
        if ":" in host and _IPV6_CHARACTERS.fullmatch(host):
            return ipaddress.IPv6Address(host)
        if _NUMBER.fullmatch(labels[-1]):
            return ipaddress.IPv4Address(host)
    except ipaddress.AddressValueError:
        raise BadAddress(f"{host!r} is not a complete IP address") from None
    if len(host) > _MAX_NAME or not all(_LABEL.fullmatch(label) for label in labels):
        raise BadAddress(f"{host!r} is not the name of a computer")
    return None
