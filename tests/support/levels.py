"""The level of a test, determined by its fixtures.

    unit         neither a database, nor a socket, nor a process
    integration  a database, or servers of the test's own process
    process      programs that the test starts: `maas`, gateways, workers, PostgreSQL servers
    browser      pages in Chromium
    engine       the real engine

`pytest -m unit` runs one level. A test that opens a socket or starts a program without a fixture
asks for `network` or `processes`; a unit test that does either fails, so no level is wrong.
"""

import sys
from collections.abc import Iterator
from typing import Any

import pytest

# The first level of which a test uses a fixture is its level.
LEVELS = {
    "engine": {"serving_url", "made_up_engine"},
    "browser": {"browser"},
    "process": {"processes", "data_dir"},
    "integration": {"postgres", "upstream", "network"},
    "unit": set[str](),
}
_FORBIDDEN = {
    "socket.bind": "a socket",
    "socket.connect": "a socket",
    "subprocess.Popen": "a program",
    "os.fork": "a process",
}
_running: list[pytest.Item] = []


def level_of(item: pytest.Item) -> str:
    """The level of a test by its fixtures; `unit` for items that are no functions."""
    used = set(getattr(item, "fixturenames", ()))
    return next((level for level, fixtures in LEVELS.items() if used & fixtures), "unit")


def pytest_configure(config: pytest.Config) -> None:
    for level in LEVELS:
        config.addinivalue_line("markers", f"{level}: by the fixtures that it uses")


def pytest_collection_finish() -> None:
    """Watch from here on: imports raise hundreds of thousands of events."""
    sys.addaudithook(_watch)


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
    if level_of(item) == "unit":
        _running.append(item)
    try:
        return (yield)
    finally:
        _running.clear()


def _watch(event: str, _arguments: tuple[Any, ...]) -> None:
    """Raise RuntimeError if a unit test opens a socket or starts a process."""
    if _running and event in _FORBIDDEN:
        raise RuntimeError(
            f"{_running[0].nodeid} is a unit test by its fixtures, and opened "
            f"{_FORBIDDEN[event]}: let it use the fixture `network` or `processes`."
        )
