"""Enrolment and installation over the USB line: what is refused changes nothing."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from boards.board import Board
from boards.errors import DeviceFailed
from boards.provision import INCOMING, deliver, request_certificate
from boards.virtual.board import VirtualBoard
from tests.device.conftest import TICKER
from tests.device.node import NAME, SERVICES, stage
from tests.device.on_micropython import ON_BOARD
from tests.device.site import Deployment, Site


@pytest.fixture
def board(directory: Path) -> Iterator[Board]:
    """A provisioned board, its agent stopped."""
    with VirtualBoard(directory) as virtual, Board(virtual.port) as found:
        found.exec("")  # which ends what the board was about: it may have been mending a cut
        yield found


def tell_time(board: Board, site: Site, now: int | None = None) -> None:
    board.call("nlsm.install.set_time", site.time(board.call("nlsm.install.challenge"), now))


def install(board: Board, deployment: Deployment) -> dict[str, object]:
    stage(board, deployment)
    return dict(board.call("nlsm.install.accept", deployment.name))


def refused(action: Callable[[], object]) -> str:
    """The last line of the board's traceback: class and detail of what it refused."""
    with pytest.raises(DeviceFailed) as caught:
        action()
    return caught.value.detail


def files(directory: Path) -> dict[str, bytes]:
    """All that the node keeps."""
    root = directory / "flash/triseal"
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file()
    }


def test_what_passes_is_installed_and_said(
    board: Board, site: Site, ticker: Deployment, directory: Path
) -> None:
    tell_time(board, site)
    facts = install(board, ticker)
    assert facts["version"] == "1.0.0"
    assert facts["not_after"] == site.now + 4900
    assert facts["grants"] == ("bus.publish:home/kitchen/#",)
    kept = files(directory)
    for name, data in ticker.files.items():
        assert kept[f"services/ticker/{name}"] == data
    assert not any(name.startswith(("incoming", "old")) for name in kept)


def test_a_wrong_one_is_refused_and_the_old_one_stays(
    board: Board, site: Site, ticker: Deployment, directory: Path
) -> None:
    tell_time(board, site)
    install(board, ticker)
    before = files(directory)
    wrong = ticker.with_file("app.py", TICKER + b" ")
    assert refused(lambda: install(board, wrong)).startswith("HashMismatch")
    assert files(directory) == before


def test_an_older_security_version_is_refused(
    board: Board, site: Site, spki: bytes, directory: Path
) -> None:
    tell_time(board, site)
    install(board, site.deploy("meter", TICKER, NAME, spki, security=3))
    before = files(directory)
    older = site.deploy("meter", TICKER, NAME, spki, security=2)
    assert refused(lambda: install(board, older)).startswith("Rollback")
    assert files(directory) == before
    # Nor after the service was removed: the floor is the node's, not the service's.
    board.call("nlsm.install.remove", "meter")
    tell_time(board, site)
    assert refused(lambda: install(board, older)).startswith("Rollback")


def test_without_the_time_nothing_is_installed(
    board: Board, ticker: Deployment, directory: Path
) -> None:
    assert refused(lambda: install(board, ticker)).startswith("NoTrustedTime")
    unasked = refused(lambda: board.call("nlsm.install.set_time", b""))
    assert unasked.startswith("NoTrustedTime")
    assert not (directory / "flash" / SERVICES / "ticker").exists()


def test_a_seal_that_was_made_in_a_later_second_is_installed(
    board: Board, site: Site, spki: bytes
) -> None:
    """The clocks of site and node differ: what the site has signed, it has signed by now."""
    tell_time(board, site)
    facts = install(board, site.deploy("ticker", TICKER, NAME, spki, life=(55, 4900)))
    assert facts["not_after"] == site.now + 4900
    false = Site(site.name).deploy("ticker", TICKER, NAME, spki, life=(900, 4900))
    assert refused(lambda: install(board, false)).startswith("BadSignature")
    tell_time(board, site, site.now + 55)


def test_the_time_is_not_before_what_the_site_has_signed(
    board: Board, site: Site, directory: Path
) -> None:
    (directory / "flash/triseal/floors").unlink()  # the node's certificate says so, too
    assert refused(lambda: tell_time(board, site, site.now - 601)).startswith("Rollback")
    later = Site(**{**vars(site), "version": 2, "now": site.now + 3600})
    enrol(board, {"bundle.der": later.bundle()})  # as that does
    assert refused(lambda: tell_time(board, site, site.now - 1)).startswith("Rollback")
    tell_time(board, site, site.now + 7200)
    assert refused(lambda: tell_time(board, site, site.now + 7199)).startswith("Rollback")


def test_a_name_that_is_none_reaches_nothing(board: Board, site: Site, directory: Path) -> None:
    tell_time(board, site)
    before = files(directory)
    for name in ("", "..", "a/b", ".", "A"):
        for call in ("accept", "remove"):
            what = refused(lambda c=call, n=name: board.call(f"nlsm.install.{c}", n))  # type: ignore[misc]
            assert what.startswith("ProfileViolation"), (name, call)
    assert files(directory) == before


def test_removing_leaves_nothing_but_the_floor(
    board: Board, site: Site, ticker: Deployment, directory: Path
) -> None:
    before = set(files(directory))
    tell_time(board, site)
    install(board, ticker)
    board.call("nlsm.install.remove", "ticker")
    board.call("nlsm.install.remove", "ticker")
    assert set(files(directory)) == before
    assert b"=time %d\n" % (site.now - 100) in files(directory)["floors"]
    assert b"ticker 1\n" in files(directory)["floors"]


def test_what_a_cut_has_left_is_mended_before_anything_moves(
    board: Board, site: Site, ticker: Deployment, directory: Path
) -> None:
    """Also where no agent has started since."""
    tell_time(board, site)
    install(board, ticker)
    root = directory / "flash/triseal"
    shutil.copytree(root / "services/ticker", root / "old/ticker")
    install(board, ticker)
    assert not (root / "old/ticker").exists()
    (root / "services/ticker").rename(root / "old/ticker")
    board.call("nlsm.install.remove", "ticker")
    assert not any("ticker/" in name for name in files(directory)), "or it would come back"


def enrol(board: Board, issued: dict[str, bytes]) -> None:
    deliver(board, [(f"{INCOMING}/{name}", data) for name, data in issued.items()])
    board.exec("import nlsm.enrol\nnlsm.enrol.accept()")


def test_a_service_may_be_called_as_a_file_of_the_nodes(board: Board, site: Site) -> None:
    """What has come of such services must not take the place of those files."""
    bundle = Site(**{**vars(site), "version": site.version + 1}).bundle()
    folders = ("node.key", "node.crt", "settings.json")
    for name in folders:
        board.mkdirs(f"{INCOMING}/{name}")
    before = [board.read(f"/triseal/{name}") for name in folders]
    enrol(board, {"bundle.der": bundle})
    assert board.read("/triseal/bundle.der") == bundle
    assert [board.read(f"/triseal/{name}") for name in folders] == before


def changed(site: Site, issued: dict[str, bytes], what: str) -> dict[str, bytes]:
    """What a site would never issue."""
    if what == "another site's":
        farm = Site("farm", version=9)
        return {**issued, "bundle.der": farm.bundle()}
    if what == "an older bundle":
        return {**issued, "bundle.der": Site(**{**vars(site), "version": 1, "now": 5}).bundle()}
    if what == "another key's certificate":
        return {**issued, "node.crt": site.node(NAME, site.store.spki)}
    if what == "the site's manager's":
        return {**issued, "node.crt": site.slsm(site.store.spki)}
    if what == "settings that are none":
        return {**issued, "settings.json": b"[1]"}
    *signed, last = issued["bundle.der"]
    return {**issued, "bundle.der": bytes((*signed, last ^ 1))}


REFUSED = (
    ("another site's", "WrongSite"),
    ("an older bundle", "Rollback"),
    ("another key's certificate", "WrongKey"),
    ("the site's manager's", "WrongNode"),
    ("settings that are none", "BadMessage"),
    ("a damaged bundle", "BadSignature"),
)


@pytest.mark.parametrize(("what", "leaf"), REFUSED, ids=[row[0] for row in REFUSED])
def test_what_a_node_cannot_believe_leaves_it_as_it_was(
    what: str, leaf: str, board: Board, site: Site, directory: Path
) -> None:
    issued = changed(site, site.enrol(request_certificate(board, NAME)), what)
    if what == "another site's":
        # Its certificate must be the same site's for the bundle to come into question at all.
        farm = Site("farm", version=9)
        issued = farm.enrol(request_certificate(board, NAME))
    before = files(directory)
    assert refused(lambda: enrol(board, issued)).startswith(leaf)
    assert files(directory) == before


def test_the_key_stays_until_a_certificate_for_another_one_is_accepted(
    board: Board, site: Site, directory: Path
) -> None:
    key = directory / "flash/triseal/node.key"
    before = key.read_bytes()
    accepted = key.parent / "accepted"  # as a cut leaves it
    accepted.mkdir()
    key.rename(accepted / key.name)
    again = request_certificate(board, NAME)
    assert key.read_bytes() == before
    other = request_certificate(board, "hall-2")
    assert key.read_bytes() == before
    assert board.read("/triseal/node.csr") == again, "for the next certificate of this key"
    assert again[-200:-80] != other[-200:-80]
    enrol(board, site.enrol(other))
    assert key.read_bytes() != before
    assert board.read("/triseal/settings.json") == b'{"node": "hall-2"}'


def test_who_changes_the_name_and_changes_it_back_has_a_node(board: Board, site: Site) -> None:
    """The key that was made meanwhile is the one that the certificate is for."""
    request_certificate(board, "hall-2")
    again = request_certificate(board, NAME)
    issued = site.enrol(again)
    enrol(board, issued)
    assert board.read("/triseal/node.crt") == issued["node.crt"]
    assert board.read("/triseal/node.csr") == again, "it is kept for the next certificate"


def test_a_newer_bundle_alone_is_taken(board: Board, site: Site, directory: Path) -> None:
    before = files(directory)
    accepted = directory / "flash/triseal/accepted"  # as a cut leaves it
    accepted.mkdir()
    (accepted.parent / "node.crt").rename(accepted / "node.crt")
    newer = Site(**{**vars(site), "version": 2})
    empty = {"node.key": b"", "settings.json": b""}  # as good as missing
    enrol(board, {"bundle.der": newer.bundle(), **empty, "floors": b"1"})
    assert files(directory) == {**before, "bundle.der": newer.bundle()}
    assert not accepted.exists()


def test_the_private_key_is_in_no_answer(board: Board) -> None:
    key = board.read("/triseal/node.key")
    secret = key[7:39]
    assert secret not in request_certificate(board, NAME)


def test_an_installed_service_is_there_after_the_board_was_cut_off_while_sending_another(
    board: Board, site: Site, ticker: Deployment, spki: bytes, directory: Path
) -> None:
    tell_time(board, site)
    install(board, ticker)
    other = site.deploy("ticker", TICKER + b"#2", NAME, spki, grants=("log",))
    part = Deployment("ticker", {name: other.files[name] for name in ("app.py", "site.der")})
    stage(board, part)
    root = directory / "flash/triseal"
    shutil.copytree(root / "services/ticker", root / "checked/ticker")
    board.soft_reset()
    board.wait_for("ticker waiting-for-time")
    kept = files(directory)
    assert kept["services/ticker/app.py"] == ticker.files["app.py"]
    assert not any(name.startswith(("incoming", "checked")) for name in kept)


# Entropy.

POOR = (ON_BOARD / "poor_source.py").read_text()


@pytest.mark.parametrize("byte", ["255", "i & 1", "Source.state >> 24 & 0x11"])
def test_no_key_is_made_of_poor_random_numbers(byte: str, board: Board, directory: Path) -> None:
    before = files(directory)
    board.exec(f"{POOR}byte = lambda i: {byte}\n")
    call = f"nlsm.enrol.request('hall-3', {secrets.token_bytes(32)!r})"
    assert refused(lambda: board.exec(call, 60.0)).startswith("WeakEntropy")
    assert files(directory) == before


def test_a_key_is_made_of_more_than_the_boards_random_numbers(board: Board) -> None:
    made = set()
    for extra in (b"1" * 32, b"2" * 32):
        board.exec(POOR)
        call = f"nlsm.enrol.request('hall-3', {extra!r})"
        made.add(board.exec(call, 60.0).split()[-1])
        board.remove("/triseal/incoming/node.key")
    assert len(made) == 2
