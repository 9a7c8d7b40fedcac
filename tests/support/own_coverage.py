"""Coverage of `billing/` by the tests beside its modules alone.

With `--cov-own`, pytest-cov measures while modules are imported and while a test of `tests/billing`
runs, and rests otherwise: a line that only a story of another folder reaches counts as not reached,
and the other tests, nine tenths of the time, are not slowed down by tracing.
"""

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

OWN = "tests/billing/"
_MEASURE = pytest.StashKey[Any]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--cov-own",
        action="store_true",
        help=f"with --cov: measure only what tests below {OWN} reach",
    )


def pytest_collection_finish(session: pytest.Session) -> None:
    if session.config.getoption("--cov-own"):
        session.config.stash[_MEASURE] = _rest(session.config)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Of pytest-xdist, in the controller, which runs no test."""
    if node.config.getoption("--cov-own"):
        _rest(node.config)


def _rest(config: pytest.Config) -> Any:
    measure = config.pluginmanager.get_plugin("_cov").cov_controller.cov
    measure.stop()
    return measure


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[Any]:
    measure = item.config.stash.get(_MEASURE, None)
    if measure is None or not item.nodeid.startswith(OWN):
        return (yield)
    measure.start()
    try:
        return (yield)
    finally:
        measure.stop()


@pytest.fixture
async def new_threads() -> None:
    """Has `asyncio.to_thread` begin new threads in this test: of those that began before it nothing
    is measured."""
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(2))
