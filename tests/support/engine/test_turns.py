"""Turns at the engine: shared, or exclusive for one test."""

import asyncio
from pathlib import Path

import pytest

from tests.support.engine.turns import Turns

SOON_S = 0.2


async def test_exclusive_turn_waits_for_shared_turns(tmp_path: Path) -> None:
    turns = Turns(tmp_path / "turns")
    async with turns.take(alone=False), turns.take(alone=False):
        waiting = asyncio.create_task(enter(turns, alone=True))
        done, _ = await asyncio.wait([waiting], timeout=SOON_S)
        assert not done
    await asyncio.wait_for(waiting, 10)


async def test_other_turns_wait_for_an_exclusive_turn(tmp_path: Path) -> None:
    turns = Turns(tmp_path / "turns")
    async with turns.take(alone=True):
        waiting = [asyncio.create_task(enter(turns, alone=one)) for one in (True, False)]
        done, _ = await asyncio.wait(waiting, timeout=SOON_S)
        assert not done
    await asyncio.wait_for(asyncio.gather(*waiting), 10)


async def test_turn_is_released_when_its_test_fails(tmp_path: Path) -> None:
    turns = Turns(tmp_path / "turns")
    with pytest.raises(ZeroDivisionError):
        async with turns.take(alone=True):
            raise ZeroDivisionError
    await asyncio.wait_for(enter(turns, alone=True), 10)


async def enter(turns: Turns, *, alone: bool) -> None:
    async with turns.take(alone=alone):
        return
