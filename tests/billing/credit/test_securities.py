"""Deposits, guarantees and overrides: their ledger postings, errors and effect on the limit."""

from datetime import timedelta
from uuid import uuid4

import pytest

from billing.credit.deposits import (
    apply_deposit,
    deposit_balance,
    list_deposit_movements,
    receive_deposit,
    return_deposit,
)
from billing.credit.errors import (
    CreditPolicyMissing,
    DepositConflict,
    DepositInvalid,
    DepositTooSmall,
    GuaranteeInvalid,
    GuaranteeNotFound,
    OverrideInvalid,
)
from billing.credit.guarantees import (
    add_guarantee,
    end_guarantee,
    guarantee_state,
    list_guarantees,
)
from billing.credit.overrides import end_override, override_limit
from billing.invoices.lifecycle import InvalidInvoiceState
from billing.ledger.ledger import Book
from billing.tables import CreditGuarantee, DepositMovement, Invoice
from tests.support.billing.credit import assign, bill_rows, decide_all, decisions, publish
from tests.support.stories.story import Firm, Story


@pytest.fixture
async def firm(story: Story) -> Firm:
    """A firm with the policy `standard` and its starting limit of 500.00."""
    firm = await story.firm(net_days=0)
    await publish(story)
    await assign(firm)
    await decide_all(story)
    return firm


async def deposits(firm: Firm, amount: str, reference: str = "dep-1") -> DepositMovement:
    async with firm.story.database.transaction() as session:
        place = (session, firm.story.clock, firm.account.id)
        return await receive_deposit(*place, firm.minor(amount), reference)


async def applies(
    firm: Firm, invoice: Invoice, amount: str | None = None, reference: str = "use-1"
) -> DepositMovement:
    async with firm.story.database.transaction() as session:
        place = (session, firm.story.clock, firm.account.id, invoice.id, reference)
        return await apply_deposit(*place, None if amount is None else firm.minor(amount))


async def gets_back(firm: Firm, amount: str, reference: str = "back-1") -> DepositMovement:
    async with firm.story.database.transaction() as session:
        place = (session, firm.story.clock, firm.account.id)
        return await return_deposit(*place, firm.minor(amount), reference)


async def deposit_of(firm: Firm) -> str:
    async with firm.story.database.transaction() as session:
        return firm.text(await deposit_balance(session, firm.account.id))


async def guarantees(
    firm: Firm, amount: str = "300.00", days: int = 30, reference: str = "g-1", by: str = "Bank"
) -> CreditGuarantee:
    async with firm.story.database.transaction() as session:
        until = firm.story.clock.now() + timedelta(days=days)
        place = (session, firm.story.clock, firm.account.id)
        return await add_guarantee(*place, by, firm.minor(amount), until, reference)


async def overrides(firm: Firm, minor: int, days: int = 7) -> None:
    async with firm.story.database.transaction() as session:
        until = firm.story.clock.now() + timedelta(days=days)
        await override_limit(
            session, firm.story.clock, firm.account.id, minor, until, "agreed by phone"
        )


class TestDeposit:
    async def test_deposit_is_a_liability_and_raises_the_limit(
        self, story: Story, firm: Firm
    ) -> None:
        await deposits(firm, "200.00")
        await deposits(firm, "200.00")
        assert (await firm.balance(Book.DEPOSIT), await firm.balance(Book.CASH)) == (
            -200_00,
            200_00,
        )
        assert await firm.credit() == "700"
        assert await story.differences() == ()

    async def test_deposit_pays_an_overdue_invoice_in_part_then_in_full(
        self, story: Story, firm: Firm
    ) -> None:
        """Of 40.00 owed 15.00, then the rest; of the deposit 60.00 are left."""
        await deposits(firm, "100.00")
        await bill_rows(firm, 40_000, 2026, 11, 1)
        invoice = (await firm.invoices())[0]
        story.clock.pass_(days=1)
        await applies(firm, invoice, "15.00")
        await applies(firm, invoice, "15.00")
        assert await firm.owes(invoice) == "25.00"
        await applies(firm, invoice, reference="use-2")
        assert (await firm.invoices())[0].status == "paid"
        assert await deposit_of(firm) == "60.00"
        assert await firm.credit() == "560"
        assert await story.differences() == ()
        async with story.database.transaction() as session:
            rows = await list_deposit_movements(session, firm.account.id)
        assert [row.kind for row in rows] == ["applied", "applied", "received"]

    async def test_deposit_applied_to_an_invoice_returns_when_it_is_voided(
        self, story: Story, firm: Firm
    ) -> None:
        await deposits(firm, "10.00")
        await bill_rows(firm, 40_000, 2026, 11, 1)
        story.clock.pass_(days=1)
        invoice = (await firm.invoices())[0]
        await applies(firm, invoice)
        assert await deposit_of(firm) == "0.00"
        await story.voids(invoice)
        assert await deposit_of(firm) == "10.00"

    async def test_deposit_cannot_be_applied_twice_or_above_what_is_owed(
        self, story: Story, firm: Firm
    ) -> None:
        await deposits(firm, "50.00")
        await bill_rows(firm, 40_000, 2026, 11, 1)
        invoice = (await firm.invoices())[0]
        with pytest.raises(InvalidInvoiceState, match="overdue invoice only"):
            await applies(firm, invoice)
        story.clock.pass_(days=1)
        with pytest.raises(DepositTooSmall, match="above the outstanding amount"):
            await applies(firm, invoice, "45.00")
        with pytest.raises(DepositTooSmall, match="above the deposit"):
            await applies(firm, invoice, "50.01")
        await applies(firm, invoice)
        with pytest.raises(DepositConflict):
            await applies(firm, invoice, "1.00")
        with pytest.raises(InvalidInvoiceState, match="overdue invoice only"):
            await applies(firm, invoice, reference="use-2")
        assert await deposit_of(firm) == "10.00"

    async def test_return_above_the_deposit_is_refused(self, story: Story, firm: Firm) -> None:
        await deposits(firm, "50.00")
        with pytest.raises(DepositTooSmall, match="above the deposit"):
            await gets_back(firm, "50.01")
        await gets_back(firm, "50.00")
        await gets_back(firm, "50.00")
        assert await deposit_of(firm) == "0.00"
        assert await firm.credit() == "500"
        with pytest.raises(DepositConflict, match="'back-1'"):
            await gets_back(firm, "1.00")
        assert await story.differences() == ()

    async def test_invalid_deposit_raises(self, story: Story, firm: Firm) -> None:
        async with story.database.transaction() as session:
            for minor, reference in ((0, "a"), (-1, "a"), (10**14, "a"), (1, "")):
                with pytest.raises(DepositInvalid):
                    await receive_deposit(session, story.clock, firm.account.id, minor, reference)


class TestGuarantee:
    async def test_guarantee_raises_the_limit_until_it_expires(
        self, story: Story, firm: Firm
    ) -> None:
        """Half of 300.00 counts. A call that began before runs on; only the limit falls."""
        row = await guarantees(firm)
        assert (await guarantees(firm)).id == row.id
        assert await firm.credit() == "650"
        await firm.use("vib", rows=600_000)
        assert await firm.credit() == "50"
        story.clock.pass_(days=30)
        await decide_all(story)
        assert await firm.credit() == "-100"
        assert (await decisions(firm))[-1].business_key == f"guarantee_ended:{row.id}"
        assert guarantee_state(row, story.clock.now()) == "expired"
        assert await decide_all(story) == 0

    async def test_ended_guarantee_counts_nothing(self, story: Story, firm: Firm) -> None:
        row = await guarantees(firm)
        assert guarantee_state(row, story.clock.now()) == "valid"
        for _ in range(2):
            async with story.database.transaction() as session:
                await end_guarantee(session, story.clock, firm.account.id, row.id)
        assert await firm.credit() == "500"
        async with story.database.transaction() as session:
            (kept,) = await list_guarantees(session, firm.account.id)
        assert guarantee_state(kept, story.clock.now()) == "ended"

    async def test_invalid_guarantee_raises(self, story: Story, firm: Firm) -> None:
        for values in ({"amount": "0"}, {"days": 0}, {"reference": ""}, {"by": " "}):
            with pytest.raises(GuaranteeInvalid):
                await guarantees(firm, **values)
        await guarantees(firm)
        with pytest.raises(GuaranteeInvalid, match="another guarantee"):
            await guarantees(firm, amount="301.00")

    async def test_guarantee_of_another_account_is_not_found(
        self, story: Story, firm: Firm
    ) -> None:
        row = await guarantees(firm)
        other = await story.firm("Other")
        for account_id, guarantee_id in ((other.account.id, row.id), (firm.account.id, uuid4())):
            async with story.database.transaction() as session:
                with pytest.raises(GuaranteeNotFound):
                    await end_guarantee(session, story.clock, account_id, guarantee_id)


class TestOverride:
    async def test_override_applies_until_it_expires(self, story: Story, firm: Firm) -> None:
        await overrides(firm, 50_00)
        await overrides(firm, 80_00)
        assert await firm.credit() == "80"
        story.clock.pass_(days=7)
        await decide_all(story)
        assert await firm.credit() == "500"

    async def test_override_can_be_ended(self, story: Story, firm: Firm) -> None:
        await overrides(firm, 50_00)
        async with story.database.transaction() as session:
            ended = await end_override(session, story.clock, firm.account.id)
            again = await end_override(session, story.clock, firm.account.id)
        assert (ended and ended.granted, again) == (500_00, None)
        assert await firm.credit() == "500"

    async def test_invalid_override_raises(self, story: Story, firm: Firm) -> None:
        for minor, days in ((-1, 1), (10**12, 1), (1, 0)):
            with pytest.raises(OverrideInvalid):
                await overrides(firm, minor, days)
        await assign(firm, "none")
        with pytest.raises(CreditPolicyMissing):
            await overrides(firm, 1)
