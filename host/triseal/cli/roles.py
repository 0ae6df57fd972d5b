"""The groups of commands. Each is loaded only when one of its commands is needed.

The modules of a site take longer to load than most commands of other groups take to run.
"""

from __future__ import annotations

import functools
import importlib
import re
from collections.abc import Iterator
from typing import Any

import typer
from typer.core import TyperGroup

# The help of each group; the module of the same name has its commands in `app`.
HELP = {
    "dev": "Developer: make a key, sign services.",
    "store": "Store: register developers, countersign services.",
    "site": "Site: trust, nodes, services, grants, deployments.",
    "node": "Node: provision boards, deploy to them, show their state.",
    "sim": "Simulation: renewal traffic, plans, comparison with live runs.",
    "evidence": "Evidence: two seals or checkpoints that contradict each other.",
}


def commands(name: str) -> typer.Typer:
    """Load the commands of one group.

    Args:
        name: name of the group.
    """
    group: typer.Typer = importlib.import_module(f"triseal.cli.{name}").app
    return group


def add(app: typer.Typer) -> None:
    """Add all groups to the command `triseal`.

    Args:
        app: the command.
    """
    for name, what in HELP.items():
        app.add_typer(typer.Typer(name=name, cls=_Group, help=what, no_args_is_help=True))


def with_plain_help(command: Any) -> Any:
    """Let the help of a command name its arguments without Python's types, such as `<str>`.

    Args:
        command: the command, as Typer has built it; it is changed in place. None is returned as it
            is.
    """
    if command is not None and not issubclass(
        command.context_class.formatter_class, _PlainFormatter
    ):
        context = command.context_class
        formatter = type("Formatter", (_PlainFormatter, context.formatter_class), {})
        command.context_class = type("Context", (context,), {"formatter_class": formatter})
        _without_pydantic(command)
        for inner in getattr(command, "commands", {}).values():  # of a group in a group
            with_plain_help(inner)
    return command


def _without_pydantic(command: Any) -> None:
    """Let the options of a command that need no conversion do without Typer's converters.

    Typer makes them with pydantic, which takes longer to load than a small command runs. A version
    of Typer that converts in another way is left alone.

    Args:
        command: the command, as Typer has built it; it is changed in place.
    """
    get_params = command.get_params

    def lighter(context: Any) -> Any:
        parameters = get_params(context)
        for parameter in parameters:
            if getattr(parameter, "_runtime_param", parameter) is None:
                parameter._runtime_param = _AsItIs(parameter)
        return parameters

    command.get_params = lighter


class _AsItIs:
    """Returns what needs no conversion; leaves everything else to the converter of Typer."""

    def __init__(self, parameter: Any) -> None:
        self._several = parameter.multiple or parameter.nargs == -1
        described = parameter.type_descriptor
        self._type = None if described.parameter_info.parser else described.annotation

    def coerce(self, value: Any, param: Any, ctx: Any) -> Any:
        """Return what Typer's converter would return for `value`."""
        if value is None:
            return () if self._several else None
        if type(value) is self._type:
            return value
        param._runtime_param = None
        return param.get_runtime_param().coerce(value, param=param, ctx=ctx)


class _PlainFormatter:
    def write_dl(self, rows: Any, *arguments: Any, **named: Any) -> None:
        shown = [(re.sub(r" <[^<>]*>$", "", name), text) for name, text in rows]
        super().write_dl(shown, *arguments, **named)  # type: ignore[misc]


class _Group(TyperGroup):
    """Knows the name and the help of a group, and loads its module for everything else.

    To build a command takes longer than most commands run: only the wanted one is built.
    """

    def list_commands(self, _: Any) -> list[str]:
        return list(self._parts)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args[0] in self._parts:
            return args[0], self.get_command(ctx, args[0]), args[1:]
        # The whole group knows all names, so that it can suggest one for a misspelt name.
        whole = _frame()
        whole.add_typer(commands(str(self.name)))
        return typer.main.get_group(whole).resolve_command(ctx, args)

    def get_command(self, _: Any, cmd_name: str) -> Any:
        part = self._parts.get(cmd_name)
        if part is not None and cmd_name not in self.commands:
            self.commands[cmd_name] = typer.main.get_group(part).commands[cmd_name]
        return with_plain_help(self.commands.get(cmd_name))

    @functools.cached_property
    def _parts(self) -> dict[str, typer.Typer]:
        """What each command, or group of commands, is built from."""
        return dict(_parts(commands(str(self.name))))


def _parts(group: typer.Typer) -> Iterator[tuple[str, typer.Typer]]:
    """Yield the name of each part of a group, and a group that has nothing else."""
    for command in group.registered_commands:
        function = getattr(command.callback, "__name__", "")
        part = _frame()
        part.registered_commands = [command]
        yield command.name or typer.main.get_command_name(function), part
    for inner in group.registered_groups:
        name = typer.main.solve_typer_info_defaults(inner).name
        if name:
            part = _frame()
            part.registered_groups = [inner]
            yield name, part
        elif inner.typer_instance is not None:
            yield from _parts(inner.typer_instance)


def _frame() -> typer.Typer:
    return typer.Typer(rich_markup_mode=None)  # the same mode as the command `triseal`
