"""Billing rounds: each account is processed separately, so one fault does not stop the others."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy.ext.asyncio import AsyncSession
from structlog.testing import capture_logs

from billing import cycle
from billing.accounts.profiles import lock_profile
from billing.cycle import (
    WorkShare,
    aggregate_and_refresh_credit,
    aggregate_new_usage,
    bill_accounts,
    dun_accounts,
    expire_wallets,
    refresh_available_credit,
)
from billing.invoices.available_credit import recompute_available_credit, refresh_account_credit
from billing.invoices.period_close import close_and_invoice
from billing.invoices.usage_position import UsagePosition
from billing.tables import Invoice
from infra.clock import Clock
from tests.support.billing.making import append, call, sql
from tests.support.stories.story import Firm, Story


async def three_firms(story: Story) -> list[Firm]:
    """Each firm used 1.00; the calls of the second refer to unknown terms."""
    firms = [await story.firm(name) for name in "ABC"]
    for firm in firms[::2]:
        await firm.use("vib", rows=1_000)
    bad = call(firms[1].account.id, story.clock.now(), plan_version_id=UUID(int=9))
    await append(story.database, bad)
    return firms


class TestFaultyAccountIsolation:
    async def test_credit_of_other_accounts_is_refreshed(self, story: Story) -> None:
        firms = await three_firms(story)
        with capture_logs() as logs:
            await aggregate_and_refresh_credit(story.database, story.clock)
        assert [line["account"] for line in logs] == [firms[1].account.id.hex]
        assert "refer to unknown terms" in logs[0]["reason"]
        assert await firms[2].credit() == "999"
        assert await sql(story.database, "select account_id from stale_credit") == [
            (firms[1].account.id,)
        ]

    async def test_other_accounts_are_billed_if_one_has_unknown_terms(self, story: Story) -> None:
        firms = await three_firms(story)
        story.clock.set(2026, 11, 1, 1)
        with capture_logs() as logs:
            assert len(await bill_accounts(story.database, story.clock)) == 2
        assert {line["event"] for line in logs} == {"an account could not be billed"}
        assert {line["account"] for line in logs} == {firms[1].account.id.hex}
        assert [len(await firm.invoices()) for firm in firms] == [1, 0, 1]

    async def test_other_accounts_are_billed_if_the_database_rejects_one(
        self, story: Story, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The invoice of one firm has a negative total, which a constraint rejects."""
        firms = [await story.firm(name) for name in "ABC"]
        for firm in firms:
            await firm.use("vib", rows=1_000)

        async def bill(session: AsyncSession, account_id: UUID, **values: Any) -> list[Invoice]:
            final = await close_and_invoice(session, account_id=account_id, **values)
            if account_id == firms[1].account.id:
                final[0].total = -1
                await session.flush()
            return final

        monkeypatch.setattr(cycle, "close_and_invoice", bill)
        story.clock.set(2026, 11, 1, 1)
        with capture_logs() as logs:
            assert len(await bill_accounts(story.database, story.clock)) == 2
        assert [line["account"] for line in logs] == [firms[1].account.id.hex]
        assert [len(await firm.invoices()) for firm in firms] == [1, 0, 1]
        monkeypatch.undo()
        assert len(await story.jobs()) == 1
        assert await story.differences() == ()

    async def test_wallet_grants_of_other_accounts_expire(self, story: Story) -> None:
        firms = [await story.firm(name) for name in "ABC"]
        for firm in firms:
            await firm.tops_up("5.00", "k", expires_at=story.clock.at(2026, 10, 5))
        bad = call(firms[1].account.id, story.clock.now(), plan_version_id=UUID(int=9))
        await append(story.database, bad)
        story.clock.set(2026, 10, 5)
        with capture_logs():
            assert await expire_wallets(story.database, story.clock) == 3
        assert [await firm.wallet() for firm in firms] == ["0.00", "5.00", "0.00"]


class TestBillingRounds:
    async def test_aggregation_returns_the_number_of_accounts_with_usage(
        self, story: Story
    ) -> None:
        first, _ = await story.firm("A"), await story.firm("B")
        assert await aggregate_and_refresh_credit(story.database, story.clock) == 0
        await first.use("vib", rows=1_000)
        assert await aggregate_and_refresh_credit(story.database, story.clock) == 1
        assert await aggregate_and_refresh_credit(story.database, story.clock) == 0

    async def test_billing_returns_the_finalised_invoices(self, story: Story) -> None:
        firm = await story.firm()
        await firm.use("vib", rows=1_000)
        story.clock.set(2026, 11, 1)
        assert await bill_accounts(story.database, story.clock) == []
        final = await bill_accounts(story.database, story.clock, timedelta(0))
        assert final == [(await firm.invoices())[0].id]

    async def test_dunning_takes_one_step_per_overdue_invoice(self, story: Story) -> None:
        """Due on 1 December, first reminder on the 2nd, second reminder four days later."""
        firms = [await story.firm(name) for name in "AB"]
        for firm in firms:
            await firm.use("vib", rows=1_000)
        await story.until(2026, 11, 1, 1)
        for day, steps in ((1, 0), (2, 2), (3, 0), (6, 2)):
            story.clock.set(2026, 12, day, 2)
            assert await dun_accounts(story.database, story.clock) == steps
        await firms[0].pays_all()
        story.clock.set(2026, 12, 11, 2)
        assert await dun_accounts(story.database, story.clock) == 1


class TestWorkSharing:
    async def test_concurrent_workers_process_each_account_once(
        self, story: Story, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Of several concurrent workers, the second one at an account finds it processed."""
        firms = [await story.firm(str(number)) for number in range(6)]
        for firm in firms:
            await firm.use("vib", rows=1_000)
        assert await aggregate_new_usage(story.database, story.clock) == 6
        done: list[UUID] = []

        async def seen(session: AsyncSession, clock: Clock, position: UsagePosition) -> None:
            done.append(position.account_id)
            await recompute_available_credit(session, clock, position)

        monkeypatch.setattr(cycle, "recompute_available_credit", seen)
        shares = [WorkShare(number, 3) for number in range(3)]
        await asyncio.gather(
            *(refresh_available_credit(story.database, story.clock, share) for share in shares)
        )
        assert sorted(done) == sorted(firm.account.id for firm in firms)
        assert [await firm.credit() for firm in firms] == ["999"] * 6
        assert await refresh_available_credit(story.database, story.clock) == 0

    async def test_alerts_are_sent_even_if_another_job_refreshed_the_credit(
        self, story: Story, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A payment between aggregation and alerts refreshes the credit; alerts are still sent."""
        firm = await story.firm()
        await firm.use("vib", rows=1_000)
        await aggregate_new_usage(story.database, story.clock)
        async with story.database.transaction() as session:
            await lock_profile(session, firm.account.id)
            await refresh_account_credit(session, story.clock, firm.account.id)
        told: list[UUID] = []

        async def seen(session: AsyncSession, clock: Clock, position: UsagePosition) -> None:
            told.append(position.account_id)

        monkeypatch.setattr(cycle, "enqueue_alerts", seen)
        await refresh_available_credit(story.database, story.clock)
        assert told == [firm.account.id]

    async def test_each_work_share_starts_at_a_different_account(
        self, story: Story, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        firms = [await story.firm(str(number)) for number in range(4)]
        for firm in firms:
            await firm.use("vib", rows=1_000)
        await aggregate_new_usage(story.database, story.clock)
        first: list[UUID] = []

        async def seen(session: AsyncSession, clock: Clock, position: UsagePosition) -> None:
            first.append(position.account_id)

        monkeypatch.setattr(cycle, "recompute_available_credit", seen)
        monkeypatch.setattr(cycle, "_CONCURRENCY", 1)
        await refresh_available_credit(story.database, story.clock, WorkShare(1, 2))
        ordered = sorted(firm.account.id for firm in firms)
        assert first == ordered[2:] + ordered[:2]
