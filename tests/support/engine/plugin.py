"""Starts the real engine if a selected test uses it, and orders those tests late.

With pytest-xdist the controller starts it, as soon as a worker has collected such a test; else the
only process does. The fixture `serving_url` waits until it is ready.
"""

import tempfile
from collections.abc import AsyncIterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tests.support.engine.process import EngineFolder, EngineProcess
from tests.support.engine.spans import SpanCollector, Spans
from tests.support.engine.turns import Turns
from tests.support.heavy import is_large

FOLDER = pytest.StashKey[EngineFolder]()
_LEADING = pytest.StashKey["Leading"]()
_WORKER_INPUT = "engine_folder"
# Not `serving`: keywords have the names of folders too, so all of tests/serving would have it.
_USER = "real_engine"
# Folders and modules of tests that wait for programs, or for services that are slow or away.
_WAITING = frozenset({"processes", "stories", "test_upstream_faults.py"})
# The part of the other tests that comes before those that use the engine.
_BEFORE = 0.85


class Leading:
    """The engine processes started by the leading process of the run."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="maas-serving-")
        self.folder = EngineFolder(Path(self._folder.name))
        self._spans: SpanCollector | None = None
        self._engine: EngineProcess | None = None
        self._ended = 0

    def start_if_wanted(self) -> None:
        if self._engine is None and self.folder.wanted and installed():
            self._spans = SpanCollector()
            self._engine = EngineProcess(self.folder, self._spans.url)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """After the last of its tests the engine ends: it would take a third of a core, and most of
        the memory, from those that follow."""
        if report.when == "teardown" and _USER in report.keywords:
            self._ended += 1
            if self._engine is not None and self._ended == self.folder.wanted:
                self._engine.end()

    def stop(self) -> None:
        if self._engine is not None:
            self._engine.stop()
        if self._spans is not None:
            self._spans.stop()
        self._folder.cleanup()


def installed() -> bool:
    return find_spec("vllm") is not None and find_spec("ray") is not None


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", f"{_USER}: the test uses the real engine")
    config.addinivalue_line("markers", "alone: no other test uses the real engine meanwhile")
    given = getattr(config, "workerinput", None)
    if given is not None:
        config.stash[FOLDER] = EngineFolder(Path(given[_WORKER_INPUT]))
        return
    leading = config.stash[_LEADING] = Leading()
    config.stash[FOLDER] = leading.folder
    config.pluginmanager.register(leading)
    config.add_cleanup(leading.stop)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """pytest-xdist, in the controller: the input of a worker."""
    config = node.config
    node.workerinput[_WORKER_INPUT] = str(config.stash[FOLDER].path)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_node_collection_finished(node: Any) -> None:
    """pytest-xdist, in the controller: a worker has collected its tests."""
    node.config.stash[_LEADING].start_if_wanted()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that use the engine, and put them late into the last worker's part.

    When it comes there the engine is ready, and while it waits for the engine the others go on with
    their parts, and then with the end of its own. First come those that wait for others most of the
    time: at the end nobody would have anything to do meanwhile. Tests that import PyTorch come
    immediately before: one worker imports it then, not all.
    """
    engine = sorted((item for item in items if uses_engine(item)), key=_order)
    for item in engine:
        item.add_marker("serving")
        item.add_marker(_USER)
    rest = [item for item in items if not uses_engine(item)]
    large = [item for item in rest if is_large(item)]
    others = sorted((item for item in rest if not is_large(item)), key=_works)
    before = int(_BEFORE * len(others))
    items[:] = others[:before] + large + engine + others[before:]


def _works(item: pytest.Item) -> bool:
    return _WAITING.isdisjoint(item.path.parts)


def _order(item: pytest.Item) -> int:
    """First those that take turns themselves: they are long. Then those that need the engine
    alone."""
    if takes_turns(item):
        return 0
    return 1 if item.get_closest_marker("alone") else 2


@pytest.hookimpl(tryfirst=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    """Record how many tests use the engine, before pytest-xdist tells the controller, which starts
    it then: with one worker it is not told again."""
    config = session.config
    if config.getoption("collectonly"):
        return
    if uses := sum(uses_engine(item) for item in session.items):
        config.stash[FOLDER].want(uses)
    if _LEADING in config.stash:
        config.stash[_LEADING].start_if_wanted()


def uses_engine(item: pytest.Item) -> bool:
    return "serving_url" in getattr(item, "fixturenames", ())


def takes_turns(item: pytest.Item) -> bool:
    return "turns" in getattr(item, "fixturenames", ())


@pytest.fixture(scope="session")
def engine_folder(request: pytest.FixtureRequest) -> EngineFolder:
    return request.config.stash[FOLDER]


@pytest.fixture(scope="session")
def serving_url(engine_folder: EngineFolder) -> str:
    """The URL that serves all models of the CPU profile."""
    if not installed():
        pytest.skip("needs the serving-cpu extra: Ray Serve and vLLM, which run on Linux only")
    return engine_folder.wait_until_ready().url


@pytest.fixture(scope="session")
def spans(serving_url: str, engine_folder: EngineFolder) -> Spans:
    """The spans sent by the engine, of calls of all tests."""
    started = engine_folder.started
    assert started is not None
    return Spans(started.traces_url)


@pytest.fixture(scope="session")
def all_turns(engine_folder: EngineFolder) -> Turns:
    return Turns(engine_folder.path / "turns")


@pytest.fixture
def turns(all_turns: Turns) -> Turns:
    """Turns for a test that uses the engine only at times."""
    return all_turns


@pytest.fixture
async def turn(
    request: pytest.FixtureRequest, serving_url: str, all_turns: Turns
) -> AsyncIterator[None]:
    """A turn at the engine, shared or, for tests marked `alone`, exclusive."""
    if takes_turns(request.node):
        yield
        return
    alone = request.node.get_closest_marker("alone") is not None
    async with all_turns.take(alone=alone):
        yield
