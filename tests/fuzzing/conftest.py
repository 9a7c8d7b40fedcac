"""The service under fuzzing, and the table that `make fuzz` prints: one line per target."""

import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from tests.fuzzing.budget import FULL, TALLY
from tests.fuzzing.service import Service, run_service

_ROWS = pytest.StashKey[list[tuple[str, int, float, bool]]]()


@pytest.fixture(scope="package")
async def service(postgres: str) -> AsyncIterator[Service]:
    """One service for all tests of this package."""
    async with run_service(postgres) as running:
        yield running


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    before, begun, well = TALLY.cases, time.perf_counter(), False
    try:
        result = yield
        well = True
        return result
    finally:
        rows = item.config.stash.setdefault(_ROWS, [])
        cases, seconds = TALLY.cases - before, time.perf_counter() - begun
        if cases:
            name = item.name.removeprefix("test_").replace("[", " ").removesuffix("]")
            rows.append((f"{item.path.stem[5:]}: {name}", cases, seconds, well))


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    rows = config.stash.get(_ROWS, [])
    if not FULL or not rows:
        return
    tell = terminalreporter.write_line
    tell("\n| target | cases | seconds | findings |\n|---|---|---|---|")
    for name, cases, seconds, well in rows:
        tell(f"| {name} | {cases:,} | {seconds:.1f} | {0 if well else 1} |")
    total = sum(row[1] for row in rows), sum(row[2] for row in rows)
    tell(f"| all | {total[0]:,} | {total[1]:.1f} | {sum(not row[3] for row in rows)} |")
