"""Each command has an endpoint that does the same, or a reason why it has none."""

from typing import Any

import typer
from typer.main import get_command

from gateway.cli.admin_equivalents import EQUIVALENTS
from gateway.cli.main import build_app
from tests.support.builders import Gateway

METHODS = ("GET", "POST", "PUT", "DELETE")


def commands() -> set[str]:
    """All commands of `maas` by name, such as `keys create`."""
    return names_of(get_command(build_app()), "")


def names_of(command: Any, prefix: str) -> set[str]:
    if getattr(command, "commands", None) is None:
        return {prefix}
    context, found = typer.Context(command), set()
    for name in list(command.commands):
        resolved = command.resolve_command(context, [name])[1]
        found |= names_of(resolved, f"{prefix} {name}".strip())
    return found


def test_each_command_has_an_endpoint_or_a_reason() -> None:
    assert sorted(commands() ^ set(EQUIVALENTS)) == []


async def test_each_named_endpoint_exists(gateway: Gateway) -> None:
    paths = (await gateway.http.get("/openapi.json")).json()["paths"]
    missing = []
    for command, text in EQUIVALENTS.items():
        method, _, path = text.partition(" ")
        if method in METHODS and method.lower() not in paths.get(path, {}):
            missing.append((command, text))
    assert missing == []


def test_each_reason_is_a_sentence() -> None:
    reasons = {text for text in EQUIVALENTS.values() if not text.startswith(METHODS)}
    assert [text for text in reasons if not text.endswith(".") or len(text) < 20] == []
