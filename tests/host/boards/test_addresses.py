"""HOST:PORT is read by one strict function, in every command and in every setting."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from boards import addresses
from boards.errors import BadAddress
from boards.port import Port
from tests.host.project.maps import ROOT
from tests.host.project.test_commands import tree
from triseal.cli.main import main
from triseal.site.cable import enrolment

GOOD = {
    "site.example:7443": ("site.example", 7443),
    "localhost:1": ("localhost", 1),
    "my-server:65535": ("my-server", 65535),
    "3com.example:80": ("3com.example", 80),
    "xn--bcher-kva.example:7443": ("xn--bcher-kva.example", 7443),
    "192.0.2.7:7443": ("192.0.2.7", 7443),
    "[2001:db8::1]:7443": ("2001:db8::1", 7443),
    "[::1]:7443": ("::1", 7443),
    "[::ffff:192.0.2.7]:7443": ("::ffff:192.0.2.7", 7443),
    f"{'a' * 63}.example:7443": (f"{'a' * 63}.example", 7443),
}
# Refused wherever an address is taken.
HOSTILE = {
    "nothing": "",
    "a port alone": ":7443",
    "a host alone": "site.example",
    "no port after the colon": "site.example:",
    "IPv6 without brackets": "2001:db8::1",
    "IPv6 and a port without brackets": "2001:db8::1:7443",
    "IPv6 in brackets without a port": "[2001:db8::1]",
    "a bracket that does not close": "[2001:db8::1:7443",
    "a bracket that does not open": "2001:db8::1]:7443",
    "text after the brackets": "[2001:db8::1]x:7443",
    "two pairs of brackets": "[[2001:db8::1]]:7443",
    "a name in brackets": "[site.example]:7443",
    "IPv4 in brackets": "[192.0.2.7]:7443",
    "IPv6 that is too long": "[1:2:3:4:5:6:7:8:9]:7443",
    "IPv6 with two gaps": "[1::2::3]:7443",
    "a zone without a name": "[fe80::1%]:7443",
    "a zone with a slash": "[fe80::1%a/b]:7443",
    "a zone of IPv4": "192.0.2.7%eth0:7443",
    "two ports": "site.example:1:2",
    "a scheme": "https://site.example:7443",
    "a scheme in capitals": "TLS://site.example:7443",
    "a user": "user@site.example:7443",
    "a path": "site.example:7443/",
    "a query": "site.example:7443?a=b",
    "a blank before it": " site.example:7443",
    "a blank after it": "site.example:7443 ",
    "a blank in it": "site example:7443",
    "a blank before the port": "site.example: 7443",
    "a tab": "site.example:\t7443",
    "a new line": "site.example:7443\n",
    "a blank of no width": "site.example\u200b:7443",
    "a null": "site.example\0:7443",
    "a port that is too large": "site.example:65536",
    "a port with many digits": f"site.example:{'9' * 5000}",
    "a negative port": "site.example:-1",
    "a port with a sign": "site.example:+7443",
    "a port with a zero in front": "site.example:07443",
    "a port with an underscore": "site.example:7_443",
    "a port in hex": "site.example:0x1d13",
    "a port in other digits": "site.example:٧٤٤٣",
    "a service instead of a port": "site.example:https",
    "a name with an underscore": "my_server:7443",
    "a name that begins with a dash": "-server:7443",
    "a name that ends with a dash": "server-.example:7443",
    "a name with a dot in front": ".example:7443",
    "a name with a dot at its end": "site.example.:7443",
    "a name with two dots": "site..example:7443",
    "a label of 64 bytes": f"{'a' * 64}.example:7443",
    "a name of 254 bytes": f"{'a.' * 126}aa:7443",
    "a name with umlauts": "bücher.example:7443",
    "a name with a star": "*.example:7443",
    "IPv4 with three parts": "192.0.2:7443",
    "IPv4 with five parts": "192.0.2.7.1:7443",
    "IPv4 with a part above 255": "192.0.2.256:7443",
    "IPv4 with a zero in front": "192.0.02.7:7443",
    "IPv4 as one number": "3221225991:7443",
    "IPv4 in hex": "0xc0000207:7443",
}
# A server may listen there, but nothing can connect there.
NOT_OF_ONE_COMPUTER = {
    "any port": "site.example:0",
    "all IPv4 interfaces": "0.0.0.0:7443",
    "all IPv6 interfaces": "[::]:7443",
    "all, written in full": "[0:0:0:0:0:0:0:0]:7443",
    "a zone": "[fe80::1%eth0]:7443",
}


@pytest.mark.parametrize("text", GOOD)
def test_an_address_of_a_server_is_read(text: str) -> None:
    assert addresses.parse(text) == GOOD[text] == addresses.parse_listening(text)


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_nobody_takes_another_form(text: str) -> None:
    for read in (addresses.parse, addresses.parse_listening):
        with pytest.raises(BadAddress) as caught:
            read(text)
        assert caught.value.detail.isprintable()


@pytest.mark.parametrize("text", NOT_OF_ONE_COMPUTER.values(), ids=NOT_OF_ONE_COMPUTER)
def test_a_server_may_listen_where_nothing_can_connect(text: str) -> None:
    with pytest.raises(BadAddress):
        addresses.parse(text)
    host, port = addresses.parse_listening(text)
    assert text in (f"{host}:{port}", f"[{host}]:{port}")


@pytest.mark.parametrize("text", ["224.0.0.1:7443", "255.255.255.255:7443", "[ff02::1]:7443"])
def test_a_node_connects_to_one_computer(text: str) -> None:
    with pytest.raises(BadAddress, match="one computer"):
        addresses.parse(text)


def options() -> Iterator[tuple[str, str]]:
    """Each command with an option that is an address."""
    todo = [("", tree())]
    while todo:
        words, command = todo.pop()
        context = typer.Context(command)
        if hasattr(command, "list_commands"):
            names = command.list_commands(context)
            todo += [(f"{words} {name}", command.get_command(context, name)) for name in names]
        for parameter in command.get_params(context):
            if parameter.metavar == "HOST:PORT":
                yield words.strip(), parameter.opts[0]


# How each of these commands begins, with what it must have.
COMMANDS = {
    ("site serve", "--listen"): "site serve",
    ("store serve", "--listen"): "store serve",
    ("store serve", "--admin-listen"): "store serve --admin-clients none",
    ("site settings", "--server"): "site settings kitchen",
    ("node provision", "--server"): "node provision --port virtual:none --node kitchen",
    ("node image", "--server"): "node image --board rp2040 --firmware none --node a --out image",
}


def test_the_commands_with_an_address_are_these() -> None:
    assert set(options()) == set(COMMANDS)


@pytest.mark.parametrize(("command", "option"), COMMANDS)
@pytest.mark.parametrize("text", ["2001:db8::1", "https://h:1", " host:1", "user@h:1", "h:1:2"])
def test_each_command_refuses_it_and_leaves_all_as_it_was(
    command: str,
    option: str,
    text: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TRISEAL_HOME", str(tmp_path))
    assert main([*COMMANDS[command, option].split(), f"{option}={text}"]) == 2
    seen = capsys.readouterr()
    assert seen.out == ""
    assert option in seen.err
    assert list(tmp_path.iterdir()) == []


SETTINGS: dict[str, object] = {
    "a text": "site.example:7443",
    "nothing": None,
    "three parts": ["site.example", 7443, 1],
    "a port as text": ["site.example", "7443"],
    "a port as yes": ["site.example", True],
    "a port as a float": ["site.example", 7443.0],
    "port 0": ["site.example", 0],
    "a port above 65535": ["site.example", 65536],
    "a host as bytes": [b"site.example", 7443],
    "an empty host": ["", 7443],
    "a host with a port": ["site.example:7443", 7443],
    "a host in brackets": ["[::1]", 7443],
    "all interfaces": ["0.0.0.0", 7443],
}


@pytest.mark.parametrize("server", SETTINGS.values(), ids=SETTINGS)
def test_a_script_cannot_give_a_node_another_address(server: object) -> None:
    unused = object()
    with pytest.raises(BadAddress):  # before the site or the board is used
        enrolment.enrol(unused, unused, "a", {"server": server}, print)  # type: ignore[arg-type]


def test_settings_without_a_server_or_with_a_good_one_are_taken() -> None:
    addresses.check_settings({})
    addresses.check_settings({"server": ["2001:db8::1", 7443]})
    addresses.check_settings({"server": ("site.example", 7443)})


@pytest.mark.parametrize("port", ["socket://", "socket://h", "socket://u@h:1", "SOCKET://h:0"])
def test_a_port_of_a_board_on_a_network_is_an_address(port: str) -> None:
    with pytest.raises(BadAddress):
        Port(port)


@pytest.mark.parametrize("port", ["/dev/tty:1:2", "socket://[::1]:7000?logging=debug"])
def test_other_ports_are_left_to_pyserial(port: str) -> None:
    addresses.check_url(port)


AT_LAST_COLON = re.compile(r"""\.(rpartition|rsplit)\(\s*["']:["']""")


def test_nothing_else_takes_an_address_apart() -> None:
    assert AT_LAST_COLON.search('text.rpartition(":")')
    for folder in (ROOT / "host", ROOT / "tools" / "boards"):
        for path in folder.rglob("*.py"):
            assert not AT_LAST_COLON.search(path.read_text(encoding="utf-8")), path
