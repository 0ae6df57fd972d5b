"""What a running service can and can't do, and what happens to it."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.device.conftest import ECHO, Start
from tests.device.node import NAME, Node, by_name
from tests.device.on_micropython import ON_BOARD
from tests.device.site import Deployment, Site
from tests.worlds.ports import quiet_port
from tests.worlds.waiting import looks

# Each row: what the service does, what it would need, and what no grant of these gives.
DENIED = (
    ("ctx.publish('home/hall/t', 1)", "bus.publish:home/hall/t", ("bus.publish:home/kitchen/#",)),
    ("ctx.publish('home/hall/t', 1)", "bus.publish:home/hall/t", ("bus.subscribe:home/#",)),
    ("ctx.subscribe('#')", "bus.subscribe:#", ("bus.subscribe:home/#",)),
    ("ctx.pin(5)", "pin:5", ("pin:4",)),
    ("ctx.config('password')", "config:password", ("config:pass",)),
    ("ctx.log('x')", "log", ()),
)


def run(start: Start, site: Site, spki: bytes, body: str, *grants: str, more: str = "") -> Node:
    """A node that runs `async def main(ctx): body`, and tells what it logs."""
    lines = "".join(f"    {line}\n" for line in body.split("\n"))
    app = f"import asyncio\n{more}\nasync def main(ctx):\n{lines}".encode()
    node = start(site.deploy("one", app, NAME, spki, grants=grants))
    node.tell_time()
    return node


@pytest.mark.parametrize(("call", "needed", "grants"), DENIED, ids=[row[1] for row in DENIED])
def test_what_is_not_granted_is_denied(
    call: str, needed: str, grants: tuple[str, ...], start: Start, site: Site, spki: bytes
) -> None:
    node = run(start, site, spki, call, *grants)
    one = node.until(lambda now: by_name(now)["one"] != "running").services[0]
    assert (one.state, one.code, one.detail) == ("failed", "not-granted", "app.py:4: " + needed)


def test_a_denial_that_the_service_survives_is_told_all_the_same(
    start: Start, site: Site, spki: bytes
) -> None:
    body = "try:\n    ctx.pin(9)\nexcept Exception:\n    await asyncio.sleep(60)"
    one = run(start, site, spki, body).state("one")
    assert (one.state, one.code, one.detail) == ("running", "not-granted", "pin:9")


def test_a_granted_pin_is_the_boards(start: Start, site: Site, spki: bytes) -> None:
    body = "pin = ctx.pin(4)\npin.init(1)\npin.value(1)\nawait asyncio.sleep(60)"
    node = run(start, site, spki, body, "pin:4")
    assert by_name(node.ask()) == {"one": "running"}
    assert node.virtual.pin(4)[0] == 1


# A service that drives its pins until it ends, in one way or another.
DRIVES = """\
import asyncio
async def main(ctx):
    for number in (1, 2, 3):
        for _ in range(3):
            ctx.pin(number).init(ctx.pin(number).OUT, value=1)
    try:
        %s
    finally:
        ctx.pin
"""
# Each row: a way to end, what main does then, how long its seal holds, and the state in the end.
ENDS: tuple[tuple[str, str, int, str], ...] = (
    ("by itself", "await asyncio.sleep_ms(1)", 900, "stopped"),
    ("by a failure", "1 / 0", 900, "failed"),
    ("by what no grant gives", "ctx.pin(9)", 900, "failed"),
    ("with its seal", "await asyncio.sleep(60)", 2, "expired"),
    (
        "with its seal, driving on",
        "while True:\n            await asyncio.sleep_ms(9)",
        2,
        "expired",
    ),
)


@pytest.mark.parametrize(("sentence", "body", "life", "state"), ENDS, ids=[row[0] for row in ENDS])
def test_however_a_service_ends_its_pins_go_to_their_safe_state(
    sentence: str, body: str, life: int, state: str, start: Start, site: Site, spki: bytes
) -> None:
    grants = ("pin:1", "pin:2", "pin:3")
    pins = {"2": "low", "3": "high"}
    app = (DRIVES % body).encode()
    node = start(
        site.deploy("one", app, NAME, spki, grants=grants, needs={"pins": pins}, life=(-10, life))
    )
    node.tell_time()
    node.until(lambda now: by_name(now)["one"] == state)
    until(lambda: [node.virtual.pin(one) for one in (1, 2, 3)] == [(0, 2), (0, 2), (1, 1)], node)


def until(holds: Callable[[], bool], node: Node) -> None:
    """What the node does soon."""
    for _ in looks(30):
        if holds():
            return
    raise AssertionError([node.virtual.pin(one) for one in (1, 2, 3)])


def test_nothing_leads_from_ctx_to_the_settings(
    start: Start, site: Site, spki: bytes, directory: Path
) -> None:
    path = directory / "flash/triseal/settings.json"
    path.write_text('{"wifi": ["home", "hunter2"], "config": {"unit": "K", "door": "others"}}')
    grants = ("log", "pin:1", "bus.subscribe:a", "config:unit")
    leads = (ON_BOARD / "leads.py").read_bytes()
    node = start(site.deploy("one", leads, NAME, spki, grants=grants), heap="4m")
    node.start()
    while not (line := next(node.lines())).startswith("one: "):
        assert "failed" not in line
    assert int(line.split()[-1]) > 20


# Each row: what a service does, and what the console shows.
PRINTED: tuple[tuple[str, str, list[str]], ...] = (
    ("words", "print('~ 20', 'degrees', 1)", ["one: ~ 20 degrees 1"]),
    ("a word of the agent's", "print('triseal: one stopped')", ["one: triseal: one stopped"]),
    ("lines", "print('a\\n~b\\r\\n\\ntriseal: c')", ["one: a", "one: ~b ", "one: triseal: c"]),
    ("as it likes", "print('a', 'b', sep='\\x1b', end='')", ["one: a b"]),
    ("to an error stream", "import sys\nprint('a', file=sys.stderr)", ["one: a"]),
    ("by writing", "import sys\nsys.stdout.write('triseal: one stopped\\n~b')",
     ["one: triseal: one stopped", "one: ~b"]),
    ("by writing bytes", "from sys import stdout\nstdout.buffer.write(b'~a')", ["one: ~a"]),
    ("by writing bytes that are no text", "import sys\nsys.stdout.buffer.write(b'\\xff')",
     ["one: b'\\xff'"]),
    ("as a traceback", "import sys\ntry:\n    raise ValueError('\\n~a')\n"
     "except ValueError as error:\n    sys.print_exception(error)",
     ["one: Traceback (most recent call last):", 'one:   File "/app/app.py", line 7, in main',
      "one: ValueError: ", "one: ~a"]),
    ("as a traceback elsewhere", "import io, sys\nf = io.StringIO()\n"
     "sys.print_exception(ValueError('a'), f)\nctx.log(f.getvalue())", ["one: ValueError: a "]),
    ("by a name of its own", "p = print\np('~a')", ["one: ~a"]),
    ("in a task", "async def t():\n    print('~t')\nawait asyncio.create_task(t())", ["one: ~t"]),
    (
        "in a thread",
        "import _thread\n_thread.start_new_thread(print, ('triseal: a\\n~b',))\n"
        "await asyncio.sleep(1)",
        ["one: triseal: a", "one: ~b"],
    ),
    ("elsewhere", "import io\nf = io.StringIO()\nprint('a', file=f)\nctx.log(f.getvalue())",
     ["one: a "]),
    ("what it can not print", "class Odd:\n    def __str__(self):\n        return 1 / 0\n"
     "try:\n    print(Odd())\nexcept ZeroDivisionError:\n    ctx.log('odd')", ["one: odd"]),
)  # fmt: skip


@pytest.mark.parametrize(("sentence", "body", "shown"), PRINTED, ids=[row[0] for row in PRINTED])
def test_what_a_service_prints_is_its_log(
    sentence: str, body: str, shown: list[str], start: Start, site: Site, spki: bytes
) -> None:
    node = run(start, site, spki, f"await asyncio.sleep(1)\n{body}\nctx.log('end')", "log")
    seen: list[str] = []
    while not seen or seen[-1] != "one: end":
        line = node.until_line("")
        assert line.startswith(("one: ", "triseal: one running")) or not line, line
        seen += [line] * line.startswith("one: ")
    assert seen[:-1] == shown, sentence


def test_a_long_text_is_printed_without_a_copy(start: Start, site: Site, spki: bytes) -> None:
    body = (
        "import gc\nawait asyncio.sleep(1)\ntext = 'a' * 20000\n"
        "gc.collect()\nbefore = gc.mem_alloc()\nprint(text)\n"
        "ctx.log('copied: %s' % (gc.mem_alloc() - before > len(text)))"
    )
    node = run(start, site, spki, body, "log")
    assert node.until_line("copied").endswith("copied: False")


def test_what_is_printed_at_import_is_the_log_too(start: Start, site: Site, spki: bytes) -> None:
    app = b"print('triseal: at import')\nasync def main(ctx):\n    print('in main')\n"
    node = start(site.deploy("one", app, NAME, spki, grants=("log",)))
    node.start()
    assert node.until_line("at import") == "one: triseal: at import"
    assert node.until_line("in main") == "one: in main"


def test_who_may_not_log_does_not_print(start: Start, site: Site, spki: bytes) -> None:
    node = run(start, site, spki, "while True:\n    print('~')\n    await asyncio.sleep_ms(10)")
    status = node.until(lambda now: now.services[0].code == "not-granted")
    assert (status.services[0].state, status.services[0].detail) == ("running", "log")


def test_the_console_is_read_by_the_node_alone(start: Start, site: Site, spki: bytes) -> None:
    node = run(start, site, spki, "await asyncio.sleep_ms(10)\nprint(input())")
    one = node.until(lambda now: by_name(now)["one"] != "running").services[0]
    assert (one.state, one.code) == ("failed", "TypeError")


THREAD = """\
import _thread, time
from _thread import start_new_thread
go = [1]
def spin():
    while go:
        time.sleep_ms(5)
"""
# Each row: what stands in main beside a thread that goes on.
GOES_ON: tuple[tuple[str, str], ...] = (
    ("goes on", "start_new_thread(spin, ())\nawait asyncio.sleep(60)"),
    ("has another name", "_thread.start_new_thread(spin, (), {})\nawait asyncio.sleep(60)"),
    ("begins in a task", "async def t():\n    start_new_thread(spin, ())\n"
     "asyncio.create_task(t())\nawait asyncio.sleep(60)"),
    ("begins in a thread", "start_new_thread(start_new_thread, (spin, ()))\n"
     "await asyncio.sleep(60)"),
)  # fmt: skip
# Beside a thread that is not there any more when the service has ended.
OVER = {
    "has-ended": "start_new_thread(spin, ())\ngo.clear()\nawait asyncio.sleep(60)",
    "ends-with-it": "start_new_thread(spin, ())\ntry:\n    await asyncio.sleep(60)\n"
    "finally:\n    go.clear()",
    "has-failed": "start_new_thread(spin, (1,))\nawait asyncio.sleep(60)",
    "never-began": "try:\n    start_new_thread(spin)\nexcept TypeError:\n"
    "    await asyncio.sleep(60)",
}


def threaded(body: str) -> bytes:
    lines = "".join(f"    {line}\n" for line in body.split("\n"))
    return f"import asyncio\n{THREAD}async def main(ctx):\n{lines}".encode()


@pytest.mark.parametrize(("sentence", "body"), GOES_ON, ids=[row[0] for row in GOES_ON])
def test_a_thread_that_goes_on_costs_a_reset(
    sentence: str, body: str, start: Start, site: Site, spki: bytes
) -> None:
    node = start(site.deploy("one", threaded(body), NAME, spki, life=(-10, 2)))
    assert by_name(node.tell_time()) == {"one": "running"}, sentence
    node.until_line("triseal: one does not stop, so the board is reset")
    node.until(lambda now: by_name(now) == {"one": "waiting-for-time"})


def test_threads_that_have_ended_cost_no_reset(start: Start, site: Site, spki: bytes) -> None:
    made = [
        site.deploy(name, threaded(body), NAME, spki, life=(-10, 4)) for name, body in OVER.items()
    ]
    node = start(*made)
    assert by_name(node.tell_time()) == dict.fromkeys(OVER, "running")
    node.until(lambda now: by_name(now) == dict.fromkeys(OVER, "expired"))
    end = time.monotonic() + 7
    while time.monotonic() < end:  # longer than the node waits
        assert by_name(node.ask()) == dict.fromkeys(OVER, "expired")


# Each row: how main comes to its connections to PORT, of which six are open at last.
CONNECTED = (
    ("that it opens",
     "for _ in range(6):\n        await asyncio.open_connection('127.0.0.1', PORT)"),
    ("by names of its own",
     "for _ in range(6):\n        kept.append(await open_connection('127.0.0.1', PORT))"),
    ("in tasks", "await asyncio.gather(*[open_connection('127.0.0.1', PORT) for _ in range(6)])"),
)  # fmt: skip


@pytest.mark.parametrize(("sentence", "body"), CONNECTED, ids=[row[0] for row in CONNECTED])
def test_connections_of_a_service_end_with_it(
    sentence: str, body: str, start: Start, site: Site, spki: bytes, directory: Path
) -> None:
    (directory / "flash/triseal/settings.json").write_text('{"server": ["127.0.0.1", 1]}')
    with socket.create_server(("127.0.0.1", 0)) as listener:
        body = body.replace("PORT", str(listener.getsockname()[1]))
        app = (
            f"import asyncio\nfrom asyncio import open_connection\nkept = []\n"
            f"async def main(ctx):\n    {body}\n    await asyncio.sleep(60)\n"
        )
        node = start(site.deploy("one", app.encode(), NAME, spki, life=(-10, 10)))
        node.start()
        accepted = [listener.accept()[0] for _ in range(6)]
        try:
            for one in accepted[-4:]:
                one.settimeout(30)
                assert one.recv(1) == b"", sentence
        finally:
            for one in accepted:
                one.close()


def test_connections_to_a_service_end_with_it(
    start: Start, site: Site, spki: bytes, directory: Path
) -> None:
    (directory / "flash/triseal/settings.json").write_text('{"server": ["127.0.0.1", 1]}')
    port = quiet_port()
    app = f"""\
import asyncio
async def serve(reader, writer):
    writer.write(b"x")
    await writer.drain()
    await asyncio.sleep(60)
async def main(ctx):
    await asyncio.start_server(serve, "127.0.0.1", {port})
    ctx.log("serves")
    await asyncio.sleep(60)
"""
    node = start(site.deploy("one", app.encode(), NAME, spki, grants=("log",), life=(-10, 4)))
    node.start()
    node.until_line("one: serves")
    with socket.create_connection(("127.0.0.1", port), 30) as one:
        assert one.recv(1) == b"x"
        assert one.recv(1) == b""
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), 30)


def test_a_thread_has_no_ctx(start: Start, site: Site, spki: bytes) -> None:
    body = (
        "import _thread\nsaid = []\n"
        "def use():\n    try:\n        ctx.log('x')\n"
        "    except RuntimeError as error:\n        said.append(error)\n"
        "_thread.start_new_thread(use, ())\n"
        "while not said:\n    await asyncio.sleep_ms(1)\nraise said[0]"
    )
    node = run(start, site, spki, body, "log")
    one = node.until(lambda now: by_name(now)["one"] != "running").services[0]
    assert (one.code, one.detail) == (
        "RuntimeError",
        "app.py:8: ctx is for tasks, not for threads",
    )


def test_what_logs_too_much_is_left_out_and_told(start: Start, site: Site, spki: bytes) -> None:
    body = "for n in range(1000):\n    ctx.log('n%d' % n)\nawait asyncio.sleep(5)\nctx.log('later')"
    node = run(start, site, spki, f"await asyncio.sleep(1)\n{body}", "log")
    seen: list[str] = []
    while not seen or "later" not in seen[-1]:
        seen.append(node.until_line("one: "))
    assert seen == [
        *[f"one: n{n}" for n in range(50)],
        "one: more lines than it may say in 5 s are left out",
        "one: later",
    ]


def test_what_publishes_too_much_is_refused(start: Start, site: Site, spki: bytes) -> None:
    body = "for n in range(501):\n    ctx.publish('a', n)"
    node = run(start, site, spki, body, "bus.publish:a")
    one = node.until(lambda now: by_name(now)["one"] != "running").services[0]
    assert (one.state, one.code, one.detail) == (
        "failed",
        "too-fast",
        "app.py:5: more values than it may say in 5 s",
    )


def test_configuration_is_read_key_by_key(
    start: Start, site: Site, spki: bytes, directory: Path
) -> None:
    path = directory / "flash/triseal/settings.json"
    path.write_text('{"config": {"unit": "K", "other": 1}}')
    body = "ctx.log(repr((ctx.config('unit'), ctx.config('none'))))"
    grants = ("config:unit", "config:none", "log")
    app = f"async def main(ctx):\n    {body}\n".encode()
    node = start(site.deploy("one", app, NAME, spki, grants=grants))
    node.start()
    assert node.until_line("one: (") == "one: ('K', None)"


def test_what_a_service_changes_in_its_configuration_no_other_one_sees(
    start: Start, site: Site, spki: bytes, directory: Path
) -> None:
    path = directory / "flash/triseal/settings.json"
    path.write_text('{"config": {"peers": ["a"]}}')
    body = "got = ctx.config('peers')\n    ctx.log(repr(got))\n    got.append('x')"
    app = f"async def main(ctx):\n    {body}\n".encode()
    grants = ("config:peers", "log")
    node = start(*[site.deploy(name, app, NAME, spki, grants=grants) for name in ("one", "two")])
    node.start()
    assert {node.until_line(": ['a") for _ in range(2)} == {"one: ['a']", "two: ['a']"}


CRASHES = (
    ("1 / 0", "ZeroDivisionError"),
    ("raise SystemExit", "SystemExit"),
    ("raise asyncio.TimeoutError", "TimeoutError"),
    ("bytearray(1 << 30)", "MemoryError"),
    ("raise BaseException", "BaseException"),
    ("ctx.publish('home/a', [])", "TypeError"),
    ("ctx.publish('home/a', 'x' * 1025)", "too-large"),
    ("ctx.publish('home/' + 'a' * 200, 1)", "too-large"),
    ("ctx.publish('home/a', 1 << 4000)", "too-large"),
    ("ctx.publish('home//a', 1)", "bad-grant"),
)


@pytest.mark.parametrize(("body", "code"), CRASHES, ids=[row[1] for row in CRASHES])
def test_a_service_that_fails_fails_alone(
    body: str,
    code: str,
    start: Start,
    site: Site,
    spki: bytes,
    echo: Deployment,
    ticker: Deployment,
) -> None:
    app = f"import asyncio\nasync def main(ctx):\n    {body}\n".encode()
    node = start(site.deploy("one", app, NAME, spki, grants=("bus.publish:home/#",)), echo, ticker)
    node.tell_time()
    status = node.until(lambda now: by_name(now)["one"] == "failed")
    assert by_name(status) == {"one": "failed", "echo": "running", "ticker": "running"}
    assert node.state("one").code == code
    node.until_line("echo: home/kitchen/n=")


LONG = "\u00dc" * 20  # letters, and twice as many bytes

# Each row: what a service raises, how it has defined that, and what is told of it.
SAID: tuple[tuple[str, str, tuple[str, str]], ...] = (
    ("Exception('\\ud800\\x1b[2J\\u00b0')", "", ("Exception", "  [2J\u00b0")),
    ("Exception(str(b'a\\xe0\\x80\\xafb', 'utf-8'))", "", ("Exception", "a/b")),
    ("Exception('\\u20ac' * 300)", "", ("Exception", "\u20ac" * 42)),
    (f"{LONG}()", f"class {LONG}(Exception): pass", (LONG[:16], "")),
    ("Mute()", "class Mute(Exception):\n    def __str__(self): raise self", ("Mute", "")),
    ("Odd()", "from sealcore.errors import SealError\nclass Odd(SealError): code = 5", ("5", "")),
)


@pytest.mark.parametrize("where", ["in main", "at import"])
@pytest.mark.parametrize(("what", "defined", "told"), SAID, ids=[row[0][:9] for row in SAID])
def test_whatever_a_service_says_can_be_told(
    what: str,
    defined: str,
    told: tuple[str, str],
    where: str,
    start: Start,
    site: Site,
    spki: bytes,
    echo: Deployment,
) -> None:
    main = f"async def main(ctx):\n    raise {what}" if where == "in main" else f"raise {what}"
    app = f"{defined}\n{main}\n".encode()
    node = start(site.deploy("one", app, NAME, spki), echo)
    node.tell_time()
    status = node.until(lambda now: by_name(now)["one"] != "running")
    assert by_name(status) == {"one": "failed", "echo": "running"}
    one = node.state("one")
    code, detail = told
    line = app.count(b"\n", 0, app.rindex(b"raise")) + 1
    detail = f"app.py:{line}: {detail}" if detail else f"app.py:{line}"
    assert one.code == code
    assert one.detail == detail.encode()[:128].decode(errors="ignore")


def test_a_log_line_steers_no_terminal(start: Start, site: Site, spki: bytes) -> None:
    body = "ctx.name = 'two'\nctx.log('\\x1b[2J 21 \\xb0C\\r\\n~\\x9b\\ud800.' + 'x' * 600)"
    app = "async def main(ctx):\n" + "".join(f"    {line}\n" for line in body.split("\n"))
    node = start(site.deploy("one", app.encode(), NAME, spki, grants=("log",)))
    node.start()
    line = node.until_line("one: ")
    assert line.startswith("one:  [2J 21 \u00b0C  ~  .xxx")
    assert len(line.encode()) <= 5 + 512


@pytest.mark.parametrize("source", [b"1 / 0", b"import nothing_like_it", b"main = (", b"x = 1"])
def test_an_executable_that_does_not_import_fails_alone(
    source: bytes, start: Start, site: Site, spki: bytes, echo: Deployment
) -> None:
    node = start(site.deploy("one", source, NAME, spki), echo)
    assert by_name(node.tell_time()) == {"one": "failed", "echo": "running"}


def test_a_slow_reader_loses_the_oldest(start: Start, site: Site, spki: bytes) -> None:
    body = (
        "seen = ctx.subscribe('n')\nfor n in range(20):\n    ctx.publish('n', n)\n"
        "got = []\nwhile len(got) < 8:\n    got.append((await seen.__anext__())[1])\n"
        "ctx.log(repr((got, seen.dropped)))"
    )
    app = "".join(f"    {line}\n" for line in body.split("\n"))
    grants = ("bus.publish:n", "bus.subscribe:n", "log")
    node = start(
        site.deploy("one", f"async def main(ctx):\n{app}".encode(), NAME, spki, grants=grants)
    )
    node.start()
    assert node.until_line("one: (") == "one: ([12, 13, 14, 15, 16, 17, 18, 19], 12)"


BEAT = """\
from asyncio import create_task, gather, sleep_ms, wait_for
import asyncio
from machine import Pin
async def beat():
    while True:
        Pin(1).value(1)
        Pin(1).value(0)
        await sleep_ms(10)
"""
# Each row: what stands at the top of the module, and in main.
STARTED = (
    ("by asyncio.create_task", "", "asyncio.create_task(beat())"),
    ("by a name of its own", "", "create_task(beat())"),
    ("by the loop", "", "asyncio.get_event_loop().create_task(beat())"),
    ("by gather", "", "await gather(beat(), beat())"),
    ("by wait_for", "", "await wait_for(beat(), 100)"),
    ("by a task of a task", "async def nest():\n    create_task(beat())", "create_task(nest())"),
    ("at import", "create_task(beat())", "pass"),
)


@pytest.mark.parametrize(("sentence", "top", "body"), STARTED, ids=[row[0] for row in STARTED])
def test_all_tasks_of_a_service_end_with_it(
    sentence: str, top: str, body: str, start: Start, site: Site, spki: bytes
) -> None:
    app = f"{BEAT}{top}\nasync def main(ctx):\n    {body}\n    await sleep_ms(60000)\n"
    node = start(site.deploy("one", app.encode(), NAME, spki, grants=("pin:1",), life=(-10, 2)))
    assert by_name(node.tell_time()) == {"one": "running"}
    node.until(lambda now: by_name(now)["one"] == "expired")
    node.ask()  # what was cancelled has had its turn
    count = node.virtual.pin(1)[1]
    assert count > 0, sentence
    node.ask()
    assert node.virtual.pin(1)[1] == count, sentence


def test_a_service_that_will_not_end_costs_a_reset(start: Start, site: Site, spki: bytes) -> None:
    app = b"""\
import asyncio
async def main(ctx):
    while True:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            pass
"""
    node = start(site.deploy("one", app, NAME, spki, life=(-10, 2)))
    starts = node.virtual.starts
    assert by_name(node.tell_time()) == {"one": "running"}
    node.until_line("triseal: one does not stop, so the board is reset")
    end = time.monotonic() + 30
    while node.virtual.starts == starts:
        assert time.monotonic() < end
        time.sleep(0.05)
    assert by_name(node.ask()) == {"one": "waiting-for-time"}


def test_two_services_share_nothing_but_the_bus(start: Start, site: Site, spki: bytes) -> None:
    app = b"N = []\nasync def main(ctx):\n    N.append(1)\n    ctx.log('n=' + str(len(N)))\n"
    two = [site.deploy(name, app, NAME, spki, grants=("log",)) for name in ("a", "b")]
    node = start(*two, site.deploy("echo", ECHO, NAME, spki, grants=("bus.subscribe:home/#",)))
    node.start()
    assert sorted([node.until_line("n="), node.until_line("n=")]) == ["a: n=1", "b: n=1"]
