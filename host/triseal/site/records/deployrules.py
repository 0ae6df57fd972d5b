"""Rules: "each node that matches this selector has this service", kept until a person ends them.

What a rule has assigned is marked in `assignments`, and goes when no rule wants it any more.
"""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import BigInteger, Column, Connection, ForeignKey, String, Table, select

from triseal.site.records import tables

rules = Table(
    "deploy_rules",
    tables.metadata,
    Column("service", ForeignKey("services.name"), primary_key=True),
    Column("selector", String(1024), primary_key=True),
    Column("added_at", BigInteger, nullable=False),
)


class Rule(NamedTuple):
    """A rule.

    Attributes:
        service: name of the service.
        selector: the selector, as its parser writes it.
        added_at: when a person made it, Unix seconds.
    """

    service: str
    selector: str
    added_at: int


def all_rules(connection: Connection, service: str = "") -> list[Rule]:
    """Return the rules, sorted.

    Args:
        connection: any transaction.
        service: name of a service, to return only its rules; "" for all.
    """
    table = rules.c
    query = select(table.service, table.selector, table.added_at)
    if service:
        query = query.where(table.service == service)
    return sorted(Rule(*row) for row in connection.execute(query))


def add(connection: Connection, rule: Rule) -> None:
    """Keep a rule. Does nothing if it is kept already.

    Args:
        connection: a writing transaction.
        rule: the rule.
    """
    kept = all_rules(connection, rule.service)
    if rule.selector not in [one.selector for one in kept]:
        connection.execute(rules.insert().values(rule._asdict()))


def remove(connection: Connection, service: str, selector: str) -> bool:
    """End a rule. Return whether there was one.

    Args:
        connection: a writing transaction.
        service: name of the service.
        selector: the selector, as its parser writes it.
    """
    which = (rules.c.service == service) & (rules.c.selector == selector)
    return bool(connection.execute(rules.delete().where(which)).rowcount)
