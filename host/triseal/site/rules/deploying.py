"""Which nodes a selector means, and what the rules that deploy by selectors assign to them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, select

from sealcore import errors
from triseal.site.errors import BadSelector, ByRule, NoNodeMatches, NoSuchRule
from triseal.site.records import deployrules, labels, nodes, services, tables
from triseal.site.records.deployrules import Rule
from triseal.site.records.placement import Place
from triseal.site.rules import selector
from triseal.site.rules.selector import Selector


@dataclass(frozen=True)
class Applied:
    """What the rules have changed.

    Attributes:
        given: places that got their service.
        taken: places that lost it.
        unable: places that should have it, but the node has as many services as it can have.
    """

    given: tuple[Place, ...] = ()
    taken: tuple[Place, ...] = ()
    unable: tuple[Place, ...] = ()

    @property
    def changed(self) -> list[Place]:
        """All places that got or lost their service, sorted."""
        return sorted((*self.given, *self.taken))


def known(connection: Connection) -> dict[str, dict[str, str]]:
    """Return what selectors may name of each node that is not retired: by name, values by key.

    Args:
        connection: any transaction.
    """
    table = tables.nodes.c
    told, given = labels.told(connection), labels.given(connection)
    query = select(table.name, table.spki, table.reset_cause).where(table.retired_at.is_(None))
    return {
        row.name: {
            **given.get(row.name, {}),
            **told.get(row.name, {}),
            "node": row.name,
            "state": "added" if row.spki is None else "enrolled",
            "reset": selector.fit(row.reset_cause or ""),
        }
        for row in connection.execute(query.order_by(table.name))
    }


def matching(connection: Connection, wanted: Selector) -> list[str]:
    """Return the names of the nodes that a selector means, sorted; retired ones are never meant.

    Args:
        connection: any transaction.
        wanted: the selector.

    Raises:
        NoNodeMatches: there is none.
    """
    found = [name for name, has in known(connection).items() if wanted.matches(has)]
    if not found:
        raise NoNodeMatches(str(wanted))
    return found


def label(connection: Connection, node: str, given: Mapping[str, str | None]) -> dict[str, str]:
    """Give labels to a node, and take others away.

    Args:
        connection: a writing transaction.
        node: name of the node.
        given: values by key; None takes the label away.

    Returns: all its labels.

    Raises:
        UnknownNode, NodeRetired: as `nodes.get`.
        BadSelector: the node would have too many labels.
    """
    nodes.get(connection, node)
    labels.change(connection, node, given)
    has = labels.of(connection, node)
    if len(has) > selector.MOST_LABELS:
        raise BadSelector(f"{node} would have more than {selector.MOST_LABELS} labels")
    return has


def wanted_by_rules(connection: Connection) -> dict[Place, list[Rule]]:
    """Return the places that rules want now, each with these rules.

    Args:
        connection: any transaction.
    """
    rules = deployrules.all_rules(connection)
    if not rules:
        return {}
    has = known(connection)
    found: dict[Place, list[Rule]] = {}
    for rule in rules:
        wanted = selector.parse(rule.selector)
        for node, values in has.items():
            if wanted.matches(values):
                found.setdefault(Place(node, rule.service), []).append(rule)
    return found


@dataclass(frozen=True)
class Standing:
    """A rule and how far it is met.

    Attributes:
        rule: the rule.
        nodes: names of the nodes that match it now, sorted.
        lacking: those of them that do not have the service, since they can't have more services.
    """

    rule: Rule
    nodes: tuple[str, ...]
    lacking: tuple[str, ...]


def standing(connection: Connection) -> list[Standing]:
    """Return all rules with the nodes that they mean now.

    Args:
        connection: any transaction.
    """
    wanted, lacking = wanted_by_rules(connection), set(unmet(connection))
    found = []
    for rule in deployrules.all_rules(connection):
        places = sorted(place for place, rules in wanted.items() if rule in rules)
        on = tuple(place.node for place in places)
        found.append(Standing(rule, on, tuple(p.node for p in places if p in lacking)))
    return found


def unmet(connection: Connection) -> list[Place]:
    """Return the places that a rule wants and that are not assigned, sorted.

    Args:
        connection: any transaction.
    """
    wanted = wanted_by_rules(connection)
    return sorted(place for place in wanted if not services.is_assigned(connection, place))


def differs(connection: Connection) -> bool:
    """Tell whether `apply` would change something, or try to.

    Args:
        connection: any transaction.
    """
    wanted = wanted_by_rules(connection)
    if services.by_rules(connection) - wanted.keys():
        return True
    return any(not services.is_assigned(connection, place) for place in wanted)


def apply(connection: Connection, now: int, only: Collection[str] | None = None) -> Applied:
    """Assign what rules want, and take away what no rule wants any more.

    Args:
        connection: a writing transaction.
        now: the time, Unix seconds.
        only: names of the nodes that may have changed; None for all.
    """
    present = services.by_rules(connection)
    wanted = wanted_by_rules(connection)
    if only is not None:
        present = {place for place in present if place.node in only}
        wanted = {place: rules for place, rules in wanted.items() if place.node in only}
    taken = sorted(present - wanted.keys())
    for place in taken:  # first, because it makes room
        services.unassign(connection, place)
    given, unable = [], []
    for place in sorted(wanted.keys() - present):
        if services.is_assigned(connection, place):
            continue
        try:
            services.assign(connection, place, now, by_rule=True)
            given.append(place)
        except errors.TooLarge:
            unable.append(place)
    return Applied(tuple(given), tuple(taken), tuple(unable))


def add(connection: Connection, service: str, wanted: Selector, now: int) -> Applied:
    """Make a rule and apply it.

    Args:
        connection: a writing transaction.
        service: name of the service.
        wanted: the nodes that have it from now on; there may be none yet.
        now: the time, Unix seconds.

    Raises:
        UnknownService: there is no such service.
    """
    services.get(connection, service)
    deployrules.add(connection, Rule(service, str(wanted), now))
    return apply(connection, now)


def remove(connection: Connection, service: str, wanted: Selector, now: int) -> Applied:
    """End a rule. What it alone has assigned goes.

    Args:
        connection: a writing transaction.
        service: name of the service.
        wanted: its selector.
        now: the time, Unix seconds.

    Raises:
        NoSuchRule: there is no such rule.
    """
    if not deployrules.remove(connection, service, str(wanted)):
        raise NoSuchRule(f"{service} where {wanted}")
    return apply(connection, now)


def undeploy(connection: Connection, on: Collection[str], service: str) -> None:
    """Take a service from nodes.

    Args:
        connection: a writing transaction.
        on: names of the nodes.
        service: name of the service.

    Raises:
        NotAssigned: the service is not assigned to one of them.
        ByRule: a rule would bring it back.
    """
    wanted = wanted_by_rules(connection)
    for node in on:
        place = Place(node, service)
        services.unassign(connection, place)
        if place in wanted:
            raise ByRule(f"{service} is on {node} where {wanted[place][0].selector}")
