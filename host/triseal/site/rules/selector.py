"""Selectors such as `floor=2,chip!=esp32c3`: which nodes a command or a rule means.

    selector = term *15("," term)
    term     = key "=" value / key "!=" value
    key      = 1 to 32 of a-z, 0-9 and "-"; a letter comes first
    value    = 1 to 63 of letters, digits and "._:/+-"

All terms must hold. A key that a node does not have is equal to no value. There are no spaces, no
quotes and no patterns, so each selector has one meaning and can be given to a shell as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from triseal.site.errors import BadSelector

MOST_TERMS = 16
MOST_LABELS = 32  # of one node
# Facts of a node have these keys, so that no label can be taken for one of them.
FACTS = frozenset(
    (
        *("node", "state", "reset", "board", "chip", "port", "micropython", "mpy", "agent"),
        *("settings", "slot", "spare"),
    )
)

_LONGEST = 1024
_KEY = r"[a-z][a-z0-9-]{0,31}"
_VALUE = r"[A-Za-z0-9._:/+-]{1,63}"
_TERM = re.compile(f"({_KEY})(!?=)({_VALUE})", re.ASCII)
_GIVEN = re.compile(f"({_KEY})=({_VALUE})", re.ASCII)
_TAKEN = re.compile(f"({_KEY})-", re.ASCII)
_UNFIT = re.compile(r"[^A-Za-z0-9._:/+-]", re.ASCII)


@dataclass(frozen=True, order=True)
class Term:
    """One condition.

    Attributes:
        key: the key of a label or fact.
        value: the value to compare with.
        equal: whether the node must have this value; otherwise it must not have it.
    """

    key: str
    value: str
    equal: bool = True

    def __str__(self) -> str:
        return f"{self.key}{'=' if self.equal else '!='}{self.value}"


@dataclass(frozen=True)
class Selector:
    """A selector.

    Attributes:
        terms: the conditions, sorted. All must hold.
    """

    terms: tuple[Term, ...]

    def __str__(self) -> str:
        return ",".join(str(term) for term in self.terms)

    def matches(self, known: Mapping[str, str]) -> bool:
        """Tell whether a node is meant.

        Args:
            known: its labels and facts.
        """
        return all((known.get(term.key) == term.value) == term.equal for term in self.terms)


def parse(text: str) -> Selector:
    """Parse a selector.

    Args:
        text: the selector.

    Returns: the selector; two texts with the same terms give the same one.

    Raises:
        BadSelector: it is malformed, or no node can match it.
    """
    if len(text) > _LONGEST:
        raise BadSelector(f"it has {len(text)} letters, more than {_LONGEST}")
    terms = [_term(part) for part in text.split(",")]
    if len(terms) > MOST_TERMS:
        raise BadSelector(f"it has {len(terms)} terms, more than {MOST_TERMS}")
    if len(set(terms)) < len(terms):
        raise BadSelector("it has a term twice")
    _check_possible(terms)
    return Selector(tuple(sorted(terms)))


def _term(text: str) -> Term:
    found = _TERM.fullmatch(text)
    if found is None:
        raise BadSelector(f"{text[:80]!r} is neither KEY=VALUE nor KEY!=VALUE")
    return Term(found[1], found[3], found[2] == "=")


def _check_possible(terms: Iterable[Term]) -> None:
    wanted: dict[str, str] = {}
    for term in terms:
        if term.equal and wanted.setdefault(term.key, term.value) != term.value:
            raise BadSelector(f"{term.key} can't have two values")
    for term in terms:
        if not term.equal and wanted.get(term.key) == term.value:
            raise BadSelector(f"{term.key} can't have the value {term.value} and not have it")


def parse_labels(words: Iterable[str]) -> dict[str, str | None]:
    """Parse labels as a person gives them.

    Args:
        words: `KEY=VALUE` to give a label, `KEY-` to take it away.

    Returns: values by key; None for a label to take away.

    Raises:
        BadSelector: one is malformed, is there twice, or has the key of a fact.
    """
    made: dict[str, str | None] = {}
    for word in words:
        given, taken = _GIVEN.fullmatch(word), _TAKEN.fullmatch(word)
        if given is None and taken is None:
            raise BadSelector(f"{word[:80]!r} is neither KEY=VALUE nor KEY-")
        key, value = (given[1], given[2]) if given else ((taken or [""])[1], None)
        if key in FACTS:
            raise BadSelector(f"{key} is a fact, which only the node tells")
        if key in made:
            raise BadSelector(f"{key} is there twice")
        made[key] = value
    return made


def fit(text: str) -> str:
    """Make a text of a node fit for the value of a fact: other letters become "-".

    Args:
        text: whatever the node has said.

    Returns: 1 to 63 letters that a selector can name, or "" if nothing is left.
    """
    return _UNFIT.sub("-", text[:63]).strip("-")
