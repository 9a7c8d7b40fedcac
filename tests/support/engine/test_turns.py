"""Turns at the engine: shared, or one test alone."""

import asyncio
from pathlib import Path

import pytest

from tests.support.engine.turns import Turns

SOON_S = 0.2


async def test_several_share_and_one_waits_for_them(tmp_path: Path) -> None:
    turns = Turns(tmp_path / "turns")
    async with turns.take(alone=False), turns.take(alone=False):
        waiting = asyncio.create_task(enter(turns, alone=True))
        done, _ = await asyncio.wait([waiting], timeout=SOON_S)
        assert not done
    await asyncio.wait_for(waiting, 10)


async def test_others_wait_for_one_that_is_alone(tmp_path: Path) -> None:
    turns = Turns(tmp_path / "turns")
    async with turns.take(alone=True):
        waiting = [asyncio.create_task(enter(turns, alone=one)) for one in (True, False)]
        done, _ = await asyncio.wait(waiting, timeout=SOON_S)
        assert not done
    await asyncio.wait_for(asyncio.gather(*waiting), 10)


async def test_a_turn_ends_where_its_test_fails(tmp_path: Path) -> None:
    turns = Turns(tmp_path / "turns")
    with pytest.raises(ZeroDivisionError):
        async with turns.take(alone=True):
            raise ZeroDivisionError
    await asyncio.wait_for(enter(turns, alone=True), 10)


async def enter(turns: Turns, *, alone: bool) -> None:
    async with turns.take(alone=alone):
        return
