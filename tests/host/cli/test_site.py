"""`triseal site`: what people type, what they read, and what is refused in one line."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from sealcore import identity
from tests.host.commands import KEY, Commands
from tests.worlds.site_world import make_request
from triseal import database, request, signer
from triseal.signer import KeySigner
from triseal.site import clock, home
from triseal.site.manager import Manager


def test_the_way_of_a_site(settled: Commands) -> None:
    taken = settled.json("site", "add-service", settled.release("1.0"))
    new = {"service": "thermo", "version": "1.0", "security_version": 1}
    assert taken == {**new, "held": None, "nodes": []}
    settled.run("site", "add-node", "kitchen")
    settled.run("site", "grant", "thermo", "log")
    settled.run("site", "grant", "thermo", "bus.publish:home/x", "--node", "kitchen")
    settled.run("site", "deploy", "kitchen", "thermo")
    (node,) = settled.json("site", "nodes")
    assert (node["node"], node["state"], node["services"]) == ("kitchen", "added", ["thermo"])
    (service,) = settled.json("site", "services")
    assert service["grants"] == {"*": ["log"], "kitchen": ["bus.publish:home/x"]}
    found = settled.json("site", "status")
    assert [one["name"] for one in found["trusted"]] == ["Shop", "Ada"]
    assert found["bundle_version"] == 3
    (place,) = found["services"]
    assert place["grants"] == ["bus.publish:home/x", "log"]
    assert (place["assigned"], place["state"], place["not_after"]) == (True, None, None)


def test_people_read_the_same(settled: Commands) -> None:
    settled.run("site", "add-service", settled.release("1.0"))
    settled.run("site", "add-node", "kitchen")
    settled.run("site", "grant", "thermo", "log", "--node", "kitchen")
    assert "kitchen\tadded" in settled.run("site", "nodes")
    assert "log (kitchen)" in settled.run("site", "services")
    assert "nothing deployed" in settled.run("site", "status")
    assert settled.run("site", "revoke", "thermo", "log") == "it concerns no node\n"


def test_a_deployment_says_when_the_node_gets_it(settled: Commands) -> None:
    settled.run("site", "add-service", settled.release("1.0"))
    settled.run("site", "add-node", "kitchen")
    said = settled.run("site", "deploy", "kitchen", "thermo")
    assert said == "kitchen gets thermo 1.0 when it connects; it was never heard\n"
    assert settled.json("site", "deploy", "kitchen", "thermo") == {
        "node": "kitchen",
        "service": "thermo",
        "version": "1.0",
        "state": "assigned",
        "heard_at": None,
    }


def test_a_restored_database_waits_for_a_person(settled: Commands) -> None:
    kept = Path("home/site/site.sqlite").read_bytes()
    assert settled.json("site", "distrust", "developer", "Ada")["bundle_version"] == 4
    Path("home/site/site.sqlite").write_bytes(kept)
    assert settled.fails("site", "add-node", "kitchen") == "database-behind"
    done = settled.json("site", "restored")
    # She is trusted again: the person has to see that.
    assert (done["bundle_version"], done["stores"], done["developers"]) == (5, ["Shop"], ["Ada"])
    assert "Ada" in settled.run("site", "status")
    settled.run("site", "add-node", "kitchen")


def test_a_restored_database_of_a_store_waits_for_a_person(settled: Commands) -> None:
    kept = Path("home/store/store.sqlite").read_bytes()
    settled.release("1.0")
    Path("home/store/store.sqlite").write_bytes(kept)
    assert settled.fails("store", "submit", "signed.triseal") == "store-behind"
    # The signed log says what the database has lost.
    assert settled.json("store", "restored")["releases"] == 1
    settled.run("store", "submit", "signed.triseal", "--out", "again.triseal")


def test_distrust_says_where_it_is_in_force(settled: Commands) -> None:
    said = settled.run("site", "distrust", "developer", "Ada").splitlines()
    assert said[-1] == "it concerns no node"
    found = settled.json("site", "distrust", "store", "Shop")
    assert (found["name"], found["nodes"], found["in_force_by"]) == ("Shop", 0, None)


def test_the_state_of_some_services_only(settled: Commands) -> None:
    settled.run("site", "add-service", settled.release("1.0"))
    for node in ("kitchen", "hall"):
        settled.run("site", "add-node", node)
        settled.run("site", "deploy", node, "thermo")

    def shown(*words: str) -> list[str]:
        return [one["node"] for one in settled.json("site", "status", *words)["services"]]

    assert shown() == shown("--failed") == shown("--service", "thermo") == ["hall", "kitchen"]
    assert shown("--node", "kitchen") == ["kitchen"]
    assert shown("--node", "kitchen", "--node", "hall", "--service", "thermo") == shown()
    assert settled.fails("site", "status", "--node", "cellar") == "unknown-node"
    assert settled.fails("site", "status", "--service", "blink") == "unknown-service"


def test_the_table_is_narrow_unless_a_wide_one_is_wanted(settled: Commands) -> None:
    settled.run("site", "add-service", settled.release("1.0"))
    settled.run("site", "add-node", "kitchen")
    settled.run("site", "deploy", "kitchen", "thermo")
    narrow = settled.run("site", "status").splitlines()
    assert narrow[-2:] == [
        "node\tservice\tdue\tversion\tstate\theard\tnot_after\twhy",
        "kitchen\tthermo\t1.0\t-\t-\t-\t-\t-",
    ]
    wide = settled.run("site", "status", "-o", "wide").splitlines()
    assert wide[-2] == "node\tservice\tdue\tversion\tstate\theard\trestarts\tnot_after\tgrants\twhy"
    assert "none of these" not in settled.run("site", "status", "--failed")


def test_the_state_is_shown_again_until_a_person_ends_it(
    settled: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr("triseal.cli.site_status.time.sleep", pause)
    assert settled.run("site", "status", "--watch").count("nothing deployed") == 3
    assert pauses == [2.0] * 3
    assert "does not go with --json" in settled.misused("site", "status", "--watch", "--json")


def test_a_change_says_what_it_guarantees(settled: Commands) -> None:
    settled.run("site", "add-service", settled.release("1.0"))
    settled.run("site", "add-node", "kitchen")
    settled.run("site", "deploy", "kitchen", "thermo")
    assert settled.run("site", "grant", "thermo", "log") == "in force on 1 node\n"
    assert settled.json("site", "undeploy", "kitchen", "thermo") == {
        "nodes": 0,
        "confirmed": [],
        "ended": [],
        "waiting": {},
        "in_force_by": None,
        "clocks": {},
        "grace": {},
    }
    assert settled.json("site", "retire", "kitchen")["nodes"] == 0
    assert settled.fails("site", "deploy", "kitchen", "thermo") == "node-retired"


def test_a_node_is_added_with_its_request(settled: Commands) -> None:
    Path("hall.csr").write_bytes(make_request(signer.generate("p256"), "hall"))
    settled.run("site", "add-node", "hall", "--request", "hall.csr", "--out", "hall.crt")
    certificate = identity.parse(Path("hall.crt").read_bytes())
    assert certificate.uri == "spiffe://house/node/hall"
    assert settled.fails("site", "add-node", "attic", "--request", "hall.csr") == "other-node"
    assert [one["node"] for one in settled.json("site", "nodes")] == ["hall"]


def test_a_certificate_that_could_not_be_written_is_to_be_had_again(settled: Commands) -> None:
    key = signer.generate("p256")
    Path("hall.csr").write_bytes(make_request(key, "hall"))
    words = ("site", "add-node", "hall", "--request", "hall.csr", "--out")
    assert settled.fails(*words, "hall.csr/hall.crt") == "not-a-folder"
    settled.run(*words, "hall.crt")
    assert identity.parse(Path("hall.crt").read_bytes()).uri == "spiffe://house/node/hall"
    Path("hall.csr").write_bytes(make_request(signer.generate("p256"), "hall"))
    assert settled.fails(*words, "hall.crt") == "name-taken"
    settled.run("site", "retire", "hall")
    Path("hall.csr").write_bytes(make_request(key, "hall"))
    assert settled.fails(*words, "hall.crt") == "node-retired"


@pytest.mark.parametrize(
    ("role", "words"),
    [("store", ("trust-store", "store.pem")), ("dev", ("trust-developer", "ada.pem"))],
)
def test_trust_is_for_the_key_whose_fingerprint_was_told(
    settled: Commands, role: str, words: tuple[str, str]
) -> None:
    right = str(settled.json(role, "show")["fingerprint"])
    settled.run("dev", "request", "--out", "ada.pem")
    settled.run("site", "init", "other", *KEY, "--home", "other")
    command = ("site", *words, "--home", "other", "--fingerprint")
    for wrong in (right[:-1], right[:-1] + "g", "", "0" * 64):
        assert settled.fails(*command, wrong) == "other-fingerprint"
    assert settled.json("site", "status", "--home", "other")["trusted"] == []
    settled.run(*command, ":".join(re.findall("..", right.upper())))
    assert len(settled.json("site", "status", "--home", "other")["trusted"]) == 1


def test_what_a_developer_may_sign_is_changed_and_shown(settled: Commands) -> None:
    for kinds, before in (("service,agent", "service"), ("firmware", "service agent")):
        said = settled.run("site", "trust-developer", "ada.pem", "--kinds", kinds)
        assert "lets the developer Ada, key " in said
        assert f"sign: {before} {kinds.rpartition(',')[2]} (until now: {before})" in said
        assert "removes" not in said
    shown = settled.json("site", "status")["trusted"]
    assert [one["may_sign"] for one in shown] == [None, "service agent firmware"]
    assert "may_sign" in settled.run("site", "status")


def test_keys_and_certificates_come_as_pem_or_der(settled: Commands) -> None:
    pem = x509.load_pem_x509_certificate(Path("store.pem").read_bytes())
    Path("store.der").write_bytes(pem.public_bytes(Encoding.DER))
    key = signer.generate("p256").public_key()
    Path("bob.der").write_bytes(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))
    Path("eve.pem").write_bytes(key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    assert settled.json("site", "trust-store", "store.der")["bundle_version"] == 3
    assert settled.json("site", "trust-developer", "bob.der", "--name", "Bob")["name"] == "Bob"
    assert settled.fails("site", "trust-developer", "eve.pem") == "bad-name"
    found = settled.json("site", "trust-developer", "eve.pem", "--name", "Eve")
    assert found["bundle_version"] == 5
    assert settled.json("site", "distrust", "developer", "Eve")["bundle_version"] == 6
    assert settled.fails("site", "distrust", "store", "Eve") == "unknown-key"


def write(name: str, data: bytes) -> Callable[[Commands], object]:
    return lambda commands: Path(name).write_bytes(data)


def truncate(commands: Commands) -> None:
    package = Path(commands.release("1.0"))
    package.write_bytes(package.read_bytes()[:-1])


def unsigned(commands: Commands) -> None:
    commands.release("1.0")
    Path("thermo-1.0.triseal").write_bytes(Path("signed.triseal").read_bytes())


def rsa_1024(commands: Commands) -> None:
    pem = request.make(KeySigner(signer.generate("rsa2048")), "Weak")
    Path("weak.pem").write_bytes(pem.replace(b"CERTIFICATE REQUEST", b"CERTIFICATE"))


ADD = ("site", "add-service", "thermo-1.0.triseal")
WRONG: tuple[tuple[str, Callable[[Commands], object], tuple[str, ...], str], ...] = (
    ("a truncated package", truncate, ADD, "malformed-der"),
    ("a package without a Store seal", unsigned, ADD, "malformed-der"),
    ("an empty package", write("e.triseal", b""), (*ADD[:2], "e.triseal"), "malformed-der"),
    ("a folder for a package", lambda c: None, (*ADD[:2], "."), "not-a-file"),
    ("a package that isn't there", lambda c: None, ADD, "file-not-found"),
    ("no certificate", write("s.pem", b"-----"), ("site", "trust-store", "s.pem"), "bad-authority"),
    ("a request for a certificate", rsa_1024, ("site", "trust-store", "weak.pem"), "bad-authority"),
    ("no request", write("r.pem", b"x"), ("site", "trust-developer", "r.pem"), "bad-request"),
    (
        "a node's name in capitals",
        lambda c: None,
        ("site", "add-node", "Hall"),
        "bad-label",
    ),
    ("a grant to nobody", lambda c: None, ("site", "grant", "x", "log"), "unknown-service"),
    ("a rollout of nothing", lambda c: None, ("site", "rollout", "x", "--all"), "unknown-service"),
    ("a node that isn't there", lambda c: None, ("site", "retire", "x"), "unknown-node"),
    (
        "a folder without a site",
        lambda c: None,
        ("site", "nodes", "--home", "x"),
        "not-initialised",
    ),
    ("a site that is there", lambda c: None, ("site", "init", "house", *KEY), "already-exists"),
)


@pytest.mark.parametrize(("sentence", "before", "words", "code"), WRONG, ids=[r[0] for r in WRONG])
def test_wrong_input_ends_with_one_line_and_nothing_changes(
    settled: Commands,
    sentence: str,
    before: Callable[[Commands], object],
    words: tuple[str, ...],
    code: str,
) -> None:
    before(settled)
    known = settled.json("site", "status"), settled.json("site", "nodes")
    assert settled.fails(*words) == code
    assert (settled.json("site", "status"), settled.json("site", "nodes")) == known
    if sentence == "a truncated package":
        Path("thermo-1.0.triseal").unlink()
        settled.run("site", "add-service", settled.release("1.1"))


MISUSED = (
    ("site", "init"),
    ("site", "init", "house", "--algorithm", "md5"),
    ("site", "init", "house", "--lifetime", "0"),
    ("site", "grant", "thermo"),
    ("site", "deploy", "kitchen"),
    ("site", "distrust", "node", "kitchen"),
    ("site", "rollout", "thermo"),
    ("site", "rollout", "thermo", "--all", "--node", "kitchen"),
    ("site", "rollout", "thermo", "--share", "0%"),
    ("site", "rollout", "thermo", "--share", "101"),
    ("site", "rollout", "thermo", "--share", "10%", "--back"),
    ("site", "rollout", "thermo", "--all", "--back", "--version", "1.0"),
    ("site", "nonsense"),
)


@pytest.mark.parametrize("words", MISUSED, ids=" ".join)
def test_wrong_usage_is_told_apart(settled: Commands, words: tuple[str, ...]) -> None:
    assert settled.misused(*words)


def test_a_passphrase_is_asked_for_only_where_something_is_signed(
    settled: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("pass.txt").write_text("correct horse\n", encoding="utf-8")
    Path("root.txt").write_text("battery staple\n", encoding="utf-8")
    key = ("--algorithm", "p256", "--passphrase-file", "pass.txt", "--home", "locked")
    assert settled.fails("site", "init", "house", *key) == "no-root-passphrase"
    settled.run("site", "init", "house", *key, "--root-passphrase-file", "root.txt")
    at = ("--home", "locked")
    trust = ("site", "trust-store", "store.pem", *at)
    assert settled.fails(*trust) == "no-root-passphrase"
    # The passphrase of the site's key, which a thief of the server may have, opens no root.
    assert settled.fails(*trust, "--root-passphrase-file", "pass.txt") == "wrong-passphrase"
    monkeypatch.setenv("TRISEAL_PASSPHRASE", "correct horse")
    assert settled.fails(*trust) == "no-root-passphrase"
    assert settled.json("site", "status", *at)["trusted"] == []
    settled.run(*trust, "--root-passphrase-file", "root.txt")
    monkeypatch.setenv("TRISEAL_ROOT_PASSPHRASE", "battery staple")
    settled.run("site", "trust-developer", "ada.pem", *at)
    monkeypatch.delenv("TRISEAL_PASSPHRASE")
    monkeypatch.delenv("TRISEAL_ROOT_PASSPHRASE")
    settled.run("site", "add-service", settled.release("1.0"), *at)
    settled.run("site", "grant", "thermo", "log", *at)
    settled.run("site", "add-node", "kitchen", *at)


def test_a_clock_that_went_back_is_doubted_until_a_person_accepts_it(settled: Commands) -> None:
    shown = settled.json("site", "clock")
    assert (shown["clock"], set(shown)) == ("ok", {"clock", "now", "last_seen"})
    with Manager(home.default(), lambda: b"") as site, database.writing(site.engine) as connection:
        clock.note(connection, int(time.time()) + 3600, doubted=False)
    assert settled.json("site", "clock")["clock"] == "clock-doubted"
    assert settled.fails("site", "prune") == "clock-doubted"
    assert settled.json("site", "clock", "--accept")["clock"] == "ok"
    settled.run("site", "prune")


def test_old_records_are_deleted(settled: Commands) -> None:
    assert set(settled.json("site", "prune", "--keep-days", "365").values()) == {0}
    assert "--keep-days" in settled.misused("site", "prune", "--keep-days", "0")


def test_a_version_is_rolled_out_in_waves(settled: Commands) -> None:
    settled.run("site", "add-service", settled.release("1.0"))
    for node in ("hall", "kitchen", "attic"):
        Path("node.csr").write_bytes(make_request(signer.generate("p256"), node))
        settled.run("site", "add-node", node, "--request", "node.csr", "--out", "node.crt")
        settled.run("site", "deploy", node, "thermo")
    newer = settled.release("2.0")
    assert settled.fails("site", "add-service", newer) == "many-nodes"
    assert "--hold" in settled.misused("site", "add-service", newer, "--hold", "--now")
    taken = settled.json("site", "add-service", newer, "--hold")
    assert taken["nodes"] == []
    assert (taken["version"], taken["held"]) == ("2.0", "1.0")
    assert due(settled) == {"attic": "1.0", "hall": "1.0", "kitchen": "1.0"}
    rollout = ("site", "rollout", "thermo")
    assert settled.run(*rollout, "--node", "kitchen") == "in force on 1 node\n"
    assert due(settled) == {"attic": "1.0", "hall": "1.0", "kitchen": "2.0"}
    assert settled.json(*rollout, "--share", "50%")["nodes"] == 2
    assert due(settled) == {"attic": "2.0", "hall": "1.0", "kitchen": "2.0"}
    assert settled.json(*rollout, "--back", "--node", "attic")["confirmed"] == ["attic"]
    (service,) = settled.json("site", "services")
    assert (service["version"], service["held"]) == ("2.0", "1.0")
    assert settled.fails(*rollout, "--all", "--version", "3.0") == "other-version"
    assert settled.fails(*rollout, "--node", "hall", "--wait", "0.1") == "not-confirmed"
    settled.run(*rollout, "--all", "--version", "2.0")
    assert due(settled) == {"attic": "2.0", "hall": "2.0", "kitchen": "2.0"}
    assert settled.json("site", "services")[0]["held"] is None
    assert settled.fails(*rollout, "--back", "--all") == "nothing-held"
    taken = settled.json("site", "add-service", settled.release("3.0"), "--now")
    assert taken["nodes"] == ["attic", "hall", "kitchen"]
    assert due(settled) == {"attic": "3.0", "hall": "3.0", "kitchen": "3.0"}


def due(commands: Commands) -> dict[str, str]:
    places = commands.json("site", "status")["services"]
    return {one["node"]: one["due"] for one in places}


def test_nodes_are_chosen_by_labels_and_rules(settled: Commands) -> None:
    settled.run("site", "add-service", settled.release("1.0"))
    for node in ("hall", "kitchen", "attic"):
        settled.run("site", "add-node", node)
    assert settled.json("site", "label", "hall", "floor=2", "room=hall")["labels"] == {
        "floor": "2",
        "room": "hall",
    }
    settled.run("site", "label", "kitchen", "floor=2")
    rule = settled.json("site", "deploy", "thermo", "--where", "floor=2")
    assert rule["given"] == ["thermo on hall", "thermo on kitchen"]
    assert settled.json("site", "label", "attic", "floor=2")["given"] == ["thermo on attic"]
    said = settled.run("site", "label", "attic", "floor-")
    assert "thermo on attic" in said
    assert "in force on 1 node" in said
    assert "hall\tadded" in settled.run("site", "nodes", "--where", "room=hall", "-o", "wide")
    assert [one["node"] for one in settled.json("site", "nodes", "--where", "floor!=2")] == [
        "attic"
    ]
    (one,) = settled.json("site", "rules")
    assert (one["where"], one["nodes"], one["lacking"]) == ("floor=2", ["hall", "kitchen"], [])
    status = settled.json("site", "status", "--where", "room=hall")
    assert ([one["node"] for one in status["services"]], status["rules_not_met"]) == (["hall"], [])
    settled.run("site", "grant", "thermo", "log", "--where", "floor=2")
    assert list(settled.json("site", "services")[0]["grants"]) == ["hall", "kitchen"]
    settled.run("site", "revoke", "thermo", "log", "--where", "room=hall")
    assert settled.fails("site", "undeploy", "thermo", "--where", "floor=2") == "by-rule"
    assert (
        settled.fails("site", "grant", "thermo", "log", "--where", "floor=3") == "no-node-matches"
    )
    assert settled.fails("site", "nodes", "--where", "floor=*") == "bad-selector"
    assert settled.run("site", "refusals", "--where", "floor=2") == "no reports\n"
    assert settled.fails("site", "evidence", "out", "--where", "floor=3") == "no-node-matches"
    assert settled.fails("site", "rekey", "--where", "floor=2") == "node-not-enrolled"
    assert "--where" in settled.misused("site", "rekey", "hall", "--where", "floor=2")
    for words in (["undeploy", "hall", "thermo"], ["deploy", "hall", "thermo"]):
        assert "--where" in settled.misused("site", *words, "--where", "floor=2")
    for words in (["deploy", "thermo"], ["undeploy", "thermo"]):
        assert "--where" in settled.misused("site", *words)
    assert settled.json("site", "remove-rule", "thermo", "floor=2")["taken"]
    both = settled.json("site", "deploy", "hall", "attic", "thermo")
    assert [(one["node"], one["state"]) for one in both] == [
        ("hall", "assigned"),
        ("attic", "assigned"),
    ]
    settled.run("site", "undeploy", "hall", "attic", "thermo")
    assert settled.run("site", "rules") == "no rules\n"


def test_nodes_and_services_end(settled: Commands) -> None:
    settled.run("site", "add-service", settled.release("1.0"))
    settled.run("site", "add-node", "kitchen")
    settled.run("site", "deploy", "kitchen", "thermo")
    assert settled.run("site", "rename", "kitchen", "bath") == "it concerns no node\n"
    assert settled.fails("site", "remove-service", "thermo") == "still-needed"
    settled.run("site", "undeploy", "bath", "thermo")
    settled.run("site", "remove-service", "thermo")
    assert settled.fails("site", "forget", "bath") == "not-retired"
    settled.run("site", "retire", "bath")
    settled.run("site", "forget", "bath")
    assert settled.json("site", "nodes") == []
    changed = settled.json("site", "set", "--lifetime", "600")
    assert changed == {"lifetime": 600, "longer_seals_end": None}
    assert settled.json("site", "status")["lifetime"] == 600
    assert "--lifetime" in settled.misused("site", "set", "--lifetime", "5")


def test_settings_of_nodes_are_changed(settled: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    for node in ("hall", "kitchen"):
        settled.run("site", "add-node", node)
        settled.run("site", "label", node, "floor=2")
    assert settled.run("site", "settings") == "the site has changed no settings\n"
    change = ("site", "settings", "--where", "floor=2", "--wait", "0")
    rows = settled.json(*change, "--server", "a.example:7443", "--server", "192.0.2.1:7443")
    assert [(one["node"], one["version"], one["state"]) for one in rows] == [
        ("hall", 1, "not known"),
        ("kitchen", 1, "not known"),
    ]
    monkeypatch.setenv("TRISEAL_WIFI_PASSWORD", "correct horse\n")
    said = settled.run(
        "site", "settings", "hall", "--wifi", "Plant", "--wifi", "Open", "--wait", "0"
    )
    assert "wifi=Plant, Open" in said
    assert "correct horse" not in said
    settled.run("site", "config", "hall", "unit=celsius", "old-", "--wait", "0")
    settled.run("site", "config", "--where", "floor=2", "minus=-", "--wait", "0")
    hall, kitchen = settled.json("site", "settings")
    assert (hall["version"], kitchen["version"]) == (4, 2)
    assert hall["settings"] == {
        "config.minus": '"-"',
        "config.old": "(taken away)",
        "config.unit": '"celsius"',
        "server": '[["a.example",7443],["192.0.2.1",7443]]',
        "wifi": "Plant, Open",
    }
    assert [one["node"] for one in settled.json("site", "settings", "kitchen")] == ["kitchen"]
    assert "lines" in settled.misused("site", "settings", "hall", "--wifi", "Plant")
    assert "--where" in settled.misused("site", "settings", "--spread", "5")
    assert "--server" in settled.misused("site", "settings", "hall", "--server", "nowhere")
    assert "KEY" in settled.misused("site", "config", "hall")
    for words in (["config", "hall", "a b=1"], ["config", "hall", "unit"]):
        assert settled.fails("site", *words) == "bad-settings"
    assert settled.fails("site", "settings", "attic", "--spread", "5") == "unknown-node"
