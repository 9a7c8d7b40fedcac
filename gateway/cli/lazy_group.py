"""Command groups that import a command's module only when the command is used.

The help and shell completion of a group need names and descriptions only, which are in its table.
This is the one place of the command line that imports by name: everything together takes seconds
to import, and an operator types many commands.
"""

import gc
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_group


@dataclass(frozen=True, slots=True)
class Command:
    """A command or a group of commands, and where it is: `module:name`."""

    name: str
    place: str
    help: str

    def load(self) -> "typer.Typer | Callable[..., Any]":
        module, _, name = self.place.partition(":")
        found: typer.Typer | Callable[..., Any] = getattr(_imported(module), name)
        return found


class Unloaded(TyperCommand):
    """Stands for a command in help texts and completion until it is used."""

    def __init__(self, command: Command) -> None:
        super().__init__(name=command.name, help=command.help, add_help_option=False)
        self.command = command


class LazyGroup(TyperGroup):
    """A group with the commands of `table` before its own."""

    table: Sequence[Command] = ()

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        unloaded = {command.name: Unloaded(command) for command in self.table}
        self.commands = {**unloaded, **self.commands}

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """Called when a command is run or its arguments are completed, so it is imported here."""
        name, found, rest = super().resolve_command(ctx, args)
        if isinstance(found, Unloaded):
            self.commands[found.command.name] = found = _built(found.command)
        return name, found, rest


def lazy_group(commands: Sequence[Command]) -> type[LazyGroup]:
    """For `typer.Typer(cls=…)`: a group of these commands."""
    return type("Group", (LazyGroup,), {"table": tuple(commands)})


def _imported(name: str) -> ModuleType:
    """The module. Importing creates many objects that stay: to look for garbage among them, also
    at the end of the process, takes tenths of a second."""
    if name in sys.modules:
        return sys.modules[name]
    gc.disable()
    try:
        return import_module(name)
    finally:
        gc.freeze()
        gc.enable()


def _built(command: Command) -> Any:
    """The command as typer would add it to an application."""
    holder, found = typer.Typer(add_completion=False), command.load()
    if isinstance(found, typer.Typer):
        holder.add_typer(found, name=command.name, help=command.help)
    else:
        holder.command(command.name)(found)
    holder.callback()(_nothing)
    return get_group(holder).commands[command.name]


def _nothing() -> None:
    """A group's callback, without which a single command would not be a group."""
