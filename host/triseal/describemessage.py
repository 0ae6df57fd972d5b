"""Messages between a node and its site as facts for people."""

from __future__ import annotations

from sealcore import messages
from triseal.describe import Facts

# For each kind of message, by rising number: its name, its fields, the fields of its list.
_KINDS: tuple[tuple[str, str, str], ...] = (
    (
        "hello",
        "protocol node nonce bundle_version bundle_mark time reset_cause held",
        "service serial state",
    ),
    ("welcome", "signed_time bundle", ""),
    ("assign", "service site_seal files", "name size sha256"),
    ("remove", "services", ""),
    ("renew", "time held", "service serial"),
    ("renewed", "valid_from valid_to deltas", "service serial signature"),
    ("refused", "service code", ""),
    ("renew now", "services", ""),
    ("fetch", "sha256 offset length", ""),
    ("chunk", "sha256 offset bytes", ""),
    ("report", "service serial state code detail restarts evidence", ""),
    ("enrol", "request proof", ""),
    ("enrolled", "certificate", ""),
    ("follow", "on", ""),
    ("log", "service text", ""),
    ("ask", "nonce", ""),
    (
        "status",
        "nonce node time bundle_version free_heap services",
        "name state code detail version valid_to restarts grants",
    ),
    ("time", "signed_time", ""),
    ("prove", "nonce", ""),
    ("proof", "signature", ""),
    ("ask time", "nonce time", ""),
    ("rejected", "code detail", ""),
    ("restart", "services", ""),
    ("facts", "settings gave_up mpy free_heap free_flash uptime texts", ""),
    ("settings", "settings", ""),
    ("differ", "sha256 offset held_package", ""),
    ("pieces", "sha256 offset pieces", "bytes copied_from copied"),
)

FIRST = 0xA0
LAST = FIRST + len(_KINDS) - 1


def of_message(content: bytes) -> Facts:
    """Describe one message.

    Args:
        content: the message without its frame.

    Raises:
        BadMessage, MalformedDER: it can't be read.
    """
    number, values = messages.parse(content)
    kind, fields, inner = _KINDS[number]
    facts: Facts = {"kind": f"message: {kind}"}
    for name, value in zip(fields.split(), values, strict=True):
        facts[name] = _shown(name, value, inner.split())
    return facts


def _shown(name: str, value: object, inner: list[str]) -> object:
    if isinstance(value, bytes):
        return value.hex()
    if name == "state" and isinstance(value, int):
        return messages.STATES[value]
    if not isinstance(value, list):
        return value
    if not inner or not value or not isinstance(value[0], tuple):
        return [_shown("", item, []) for item in value]
    return [{n: _shown(n, v, []) for n, v in zip(inner, item, strict=True)} for item in value]
