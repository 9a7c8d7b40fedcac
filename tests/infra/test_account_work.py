"""Work of several accounts at a time: its places, and what ends it."""

import asyncio
from collections import Counter
from collections.abc import Collection
from functools import partial
from uuid import UUID

import pytest

from infra.account_work import AccountWork, do_due_work
from tests.support.gateway.asking import until

ACCOUNTS = [UUID(int=number) for number in range(1, 7)]


class Due:
    """Due work of accounts in order, which ends when `release` is set."""

    def __init__(self, *accounts: UUID) -> None:
        self.waiting = list(accounts)
        self.running: Counter[UUID] = Counter()
        self.done = self.claims = 0
        self.release = asyncio.Event()
        self.fault: Exception | None = None

    async def claim(self, busy: Collection[UUID]) -> AccountWork | None:
        self.claims += 1
        account = next((one for one in self.waiting if one not in busy), None)
        if account is None:
            if self.fault is not None:
                raise self.fault
            return None
        self.waiting.remove(account)
        return AccountWork(account, partial(self.do, account))

    async def do(self, account: UUID) -> None:
        self.running[account] += 1
        try:
            await self.release.wait()
            self.done += 1
        finally:
            self.running[account] -= 1


async def test_account_has_four_places_and_all_together_sixteen() -> None:
    due = Due(*(account for account in ACCOUNTS for _ in range(5)))
    working = asyncio.create_task(do_due_work(due.claim))
    await until(lambda: due.running.total() == 16)
    assert [due.running[account] for account in ACCOUNTS] == [4, 4, 4, 4, 0, 0]
    due.release.set()
    assert await working == due.done == 30


async def test_nothing_due_is_no_work() -> None:
    assert await do_due_work(Due().claim) == 0


async def test_nothing_is_claimed_when_no_more_may_be() -> None:
    due = Due(*ACCOUNTS)
    due.release.set()
    assert await do_due_work(due.claim, lambda: due.claims < 1) == 6
    due.waiting = list(ACCOUNTS)
    assert await do_due_work(due.claim, lambda: False) == 0
    assert due.waiting == ACCOUNTS


async def test_error_of_a_claim_is_raised_after_running_work_has_ended() -> None:
    due = Due(*ACCOUNTS)
    due.fault = ConnectionError("no database")
    working = asyncio.create_task(do_due_work(due.claim))
    await until(lambda: due.running.total() == 6)
    due.release.set()
    with pytest.raises(ConnectionError, match="no database"):
        await working
    assert due.done == 6


async def test_cancelled_caller_cancels_running_work() -> None:
    due = Due(*ACCOUNTS)
    working = asyncio.create_task(do_due_work(due.claim))
    await until(lambda: due.running.total() == 6)
    working.cancel()
    with pytest.raises(asyncio.CancelledError):
        await working
    assert (due.running.total(), due.done) == (0, 0)
