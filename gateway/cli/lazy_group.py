"""Command groups that import a command's module only when the command is used.

Help and shell completion need names and descriptions only, which are in the group's table. This is
the one place of the CLI that imports by name: importing everything takes seconds.
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
    """A command or command group, with the `module:attribute` to import it from."""

    name: str
    import_path: str
    help: str

    def load(self) -> "typer.Typer | Callable[..., Any]":
        """Import and return the command's function or Typer application."""
        module, _, name = self.import_path.partition(":")
        loaded: typer.Typer | Callable[..., Any] = getattr(_import_module(module), name)
        return loaded


class LazyCommand(TyperCommand):
    """A placeholder for a command in help and completion, until the command is used."""

    def __init__(self, command: Command) -> None:
        super().__init__(name=command.name, help=command.help, add_help_option=False)
        self.command = command


class LazyGroup(TyperGroup):
    """A Typer group whose `lazy_commands` are listed before its own commands."""

    lazy_commands: Sequence[Command] = ()

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        lazy = {command.name: LazyCommand(command) for command in self.lazy_commands}
        self.commands = {**lazy, **self.commands}

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """Resolve a command to run or complete, importing it if it is a placeholder."""
        name, resolved, rest = super().resolve_command(ctx, args)
        if isinstance(resolved, LazyCommand):
            self.commands[resolved.command.name] = resolved = _build_command(resolved.command)
        return name, resolved, rest


def lazy_group(commands: Sequence[Command]) -> type[LazyGroup]:
    """Return a group class with these commands, for `typer.Typer(cls=…)`."""
    return type("Group", (LazyGroup,), {"lazy_commands": tuple(commands)})


def _import_module(module_name: str) -> ModuleType:
    """Import a module without garbage collection.

    Imports create many long-lived objects; scanning them, also at exit, takes tenths of a second.
    """
    if module_name in sys.modules:
        return sys.modules[module_name]
    gc.disable()
    try:
        return import_module(module_name)
    finally:
        gc.freeze()
        gc.enable()


def _build_command(command: Command) -> Any:
    """Return the Click command that Typer builds for a loaded command."""
    parent_app, loaded = typer.Typer(add_completion=False), command.load()
    if isinstance(loaded, typer.Typer):
        parent_app.add_typer(loaded, name=command.name, help=command.help)
    else:
        parent_app.command(command.name)(loaded)
    parent_app.callback()(_group_callback)
    return get_group(parent_app).commands[command.name]


def _group_callback() -> None:
    """Do nothing: with a callback, Typer treats an application with one command as a group."""
