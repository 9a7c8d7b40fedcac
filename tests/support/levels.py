"""The level of a test, determined by its fixtures.

    unit         neither a database, nor a socket, nor a process
    integration  a database, or servers of the test's own process
    process      programs that the test starts: `maas`, gateways, workers, PostgreSQL servers
    browser      pages in Chromium
    engine       the real engine

`pytest -m unit` runs one level. A test that opens a socket or starts a program without a fixture
asks for `network` or `processes`; a unit test that does either fails, so no level is wrong.
"""

import os
import socket
import subprocess
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

import pytest

# The first level of which a test uses a fixture is its level.
LEVELS = {
    "engine": {"serving_url", "made_up_engine"},
    "browser": {"browser"},
    "process": {"processes", "data_dir"},
    "integration": {"postgres", "upstream", "network"},
    "unit": set[str](),
}
# Replaced while a unit test runs. An audit hook would be called for each of Python's events in all
# tests, which takes more than a hundredth of the run.
_FORBIDDEN: tuple[tuple[Any, str, str], ...] = (
    (socket.socket, "bind", "a socket"),
    (socket.socket, "connect", "a socket"),
    (subprocess.Popen, "__init__", "a program"),
    (os, "fork", "a process"),
)


def level_of(item: pytest.Item) -> str:
    """The level of a test by its fixtures; `unit` for items that are no functions."""
    used = set(getattr(item, "fixturenames", ()))
    return next((level for level, fixtures in LEVELS.items() if used & fixtures), "unit")


def pytest_configure(config: pytest.Config) -> None:
    for level in LEVELS:
        config.addinivalue_line("markers", f"{level}: by the fixtures that it uses")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        item.add_marker(level_of(item))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Iterator[Any]:
    return (yield from _watched(item))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[Any]:
    return (yield from _watched(item))


def _watched(item: pytest.Item) -> Iterator[Any]:
    """Around a test, but not its end: after a worker's last one servers of the session stop."""
    if level_of(item) != "unit":
        return (yield)
    with pytest.MonkeyPatch.context() as patch:
        for owner, name, opened in _FORBIDDEN:
            patch.setattr(owner, name, _refusal(item.nodeid, opened))
        return (yield)


def _refusal(test: str, opened: str) -> Callable[..., NoReturn]:
    """A function that raises RuntimeError: a unit test opens a socket or starts a process."""

    def refuse(*_arguments: object, **_options: object) -> NoReturn:
        raise RuntimeError(
            f"{test} is a unit test by its fixtures, and opened {opened}: "
            "let it use the fixture `network` or `processes`."
        )

    return refuse
