"""Money events: one log line per change, written after its commit."""

import re
from pathlib import Path
from uuid import UUID

import pytest
from structlog.contextvars import bound_contextvars

from billing.audit_events import MoneyEvent
from billing.invoices.credit_notes import CreditNoteRequest, create_credit_note
from billing.ledger.ledger import Book, Posting, TransactionKind, post_transaction
from billing.ledger.wallets import TopUpRequest, top_up_wallet
from billing.metering.quotas import set_credit_limit
from infra import ids
from infra.database.after_commit import run_after_commit
from tests.support.money_lines import money_lines
from tests.support.stories.story import Story

DOCS = Path(__file__).parents[2] / "docs"


class TestMoneyEventNames:
    def test_documented_money_events_equal_the_emitted_ones(self) -> None:
        text = (DOCS / "observability.md").read_text(encoding="utf-8")
        listed = re.findall(r"^\| `([a-z_]+\.[a-z_]+)` \|", text, re.MULTILINE)
        assert listed == [event.value for event in MoneyEvent]


class TestLedgerEvents:
    @pytest.mark.parametrize("kind", TransactionKind)
    async def test_each_transaction_kind_is_logged_once_after_commit(
        self, story: Story, kind: TransactionKind
    ) -> None:
        firm = await story.firm()
        sides = [Posting(Book.CASH, 700), Posting(Book.CASH, 50), Posting(Book.WALLET, -750)]
        with money_lines() as lines, bound_contextvars(caused_by={"job": "test"}):
            async with story.database.transaction() as session:
                place = (session, story.clock, firm.account.id, kind, f"key:{kind}", "CNY")
                transaction_id = await post_transaction(*place, sides)
                assert not lines
                assert await post_transaction(*place, sides) is None
        assert isinstance(transaction_id, UUID)
        (line,) = lines
        assert line.pop("timestamp").endswith("Z")
        assert line == {
            "event": f"ledger.{kind}",
            "level": "info",
            "account_id": ids.format_id("acct", firm.account.id),
            "transaction_id": transaction_id.hex,
            "business_key": f"key:{kind}",
            "minor": 750,
            "currency": "CNY",
            "booked": {"cash": 750, "wallet": -750},
            "caused_by": {"job": "test"},
        }

    async def test_rolled_back_transaction_is_not_logged(self, story: Story) -> None:
        firm = await story.firm()
        with money_lines() as lines:
            with pytest.raises(RuntimeError):
                await _topped_up_and_failed(story, firm.account.id)
            assert lines == []
            async with story.database.transaction() as session:
                await top_up_wallet(session, story.clock, firm.account.id, "k", TopUpRequest(500))
        assert [line["event"] for line in lines] == ["ledger.top_up"]

    async def test_failed_commit_is_not_logged(self, story: Story) -> None:
        """The database rejects an unbalanced transaction at commit."""
        firm = await story.firm()
        with money_lines() as lines:
            with pytest.raises(Exception, match="balance"):
                await _posted_one_side(story, firm.account.id)
            assert lines == []

    async def test_failing_log_does_not_undo_the_transaction(self, story: Story) -> None:
        def fail() -> None:
            raise OSError("the disk is full")

        firm = await story.firm()
        with money_lines() as lines:
            async with story.database.transaction() as session:
                run_after_commit(session, fail)
                await top_up_wallet(session, story.clock, firm.account.id, "k", TopUpRequest(500))
        assert [line["event"] for line in lines] == ["ledger.top_up"]


async def _topped_up_and_failed(story: Story, account_id: UUID) -> None:
    async with story.database.transaction() as session:
        await top_up_wallet(session, story.clock, account_id, "k", TopUpRequest(500))
        raise RuntimeError("planted")


async def _posted_one_side(story: Story, account_id: UUID) -> None:
    async with story.database.transaction() as session:
        place = (session, story.clock, account_id, TransactionKind.PAYMENT, "k", "CNY")
        await post_transaction(*place, [Posting(Book.CASH, 1)])


class TestMoneyEventSequence:
    async def test_invoice_payment_and_credit_note_are_logged_in_order(self, story: Story) -> None:
        firm = await story.firm(net_days=0)
        with money_lines() as lines:
            await firm.use("vib", rows=1_000)
            await story.until(2026, 11, 1, 1)
            (invoice,) = await firm.invoices()
            await firm.pays(invoice, "1.00")
            async with story.database.transaction() as session:
                place = (session, story.clock, firm.account.id, invoice.id, "note")
                await create_credit_note(*place, CreditNoteRequest(40, "wrong rows"))
        told = [(line["event"], line["minor"]) for line in lines]
        assert told == [
            ("invoice.finalised", 100),
            ("ledger.invoice", 100),
            ("ledger.payment", 100),
            ("ledger.credit_note", 40),
        ]
        assert lines[0]["number"] == invoice.number
        assert {line["account_id"] for line in lines} == {ids.format_id("acct", firm.account.id)}

    async def test_repeated_credit_limit_is_logged_once(self, story: Story) -> None:
        firm = await story.firm()
        with money_lines() as lines:
            for _ in range(2):
                async with story.database.transaction() as session:
                    place = (session, story.clock, firm.account.id)
                    before = await set_credit_limit(*place, 7 * 10**9)
        assert before == 7 * 10**9
        (line,) = lines
        assert (line["event"], line["reason"]) == ("credit.changed", "credit_limit")
        assert line["total_nano"] == 7 * 10**9
