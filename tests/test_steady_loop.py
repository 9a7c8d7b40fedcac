"""The event loop of tests: its clock does not count pauses."""

import asyncio
from collections.abc import Iterator

import pytest

from tests.support.steady_loop import AT_MOST_S, SteadyLoop


class Machine:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now_s = 1_000.0

    def __call__(self) -> float:
        return self.now_s

    async def stand_still(self, seconds: float) -> None:
        """Pass time in one step of the loop, then let it look for timers and events once."""
        self.now_s += seconds
        await asyncio.sleep(0)


@pytest.fixture
def machine() -> Machine:
    return Machine()


@pytest.fixture
def loop(network: None, machine: Machine) -> Iterator[SteadyLoop]:
    made = SteadyLoop(machine)
    yield made
    made.close()


def test_time_in_which_the_machine_stood_still_is_not_counted(
    loop: SteadyLoop, machine: Machine
) -> None:
    loop.run_until_complete(machine.stand_still(10.0))
    assert loop.time() == pytest.approx(AT_MOST_S)


def test_timeout_survives_a_standstill_longer_than_it(loop: SteadyLoop, machine: Machine) -> None:
    async def wait() -> None:
        async with asyncio.timeout(3 * AT_MOST_S):
            await machine.stand_still(10.0)
            await asyncio.sleep(0)

    loop.run_until_complete(wait())


def test_timeout_ends_when_the_loop_ran_for_so_long(loop: SteadyLoop, machine: Machine) -> None:
    async def wait() -> None:
        async with asyncio.timeout(3 * AT_MOST_S):
            for _ in range(10):
                await machine.stand_still(AT_MOST_S)

    with pytest.raises(TimeoutError):
        loop.run_until_complete(wait())


async def test_tests_run_on_a_steady_loop() -> None:
    assert isinstance(asyncio.get_running_loop(), SteadyLoop)
