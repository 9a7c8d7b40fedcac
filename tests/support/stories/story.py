"""Billing stories by calendar: a settable clock, an account, its plan and usage.

Usage is written as by the gateway; everything else uses the functions that the service
itself calls.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import text
from sqlmodel import col, select

from billing.accounts.account_creation import AccountLimits, open_account
from billing.accounts.profiles import NewProfile, update_profile
from billing.cycle import bill_accounts, expire_wallets
from billing.dates import local_day
from billing.invoices.available_credit import refresh_account_credit
from billing.invoices.credit_notes import CreditNoteRequest, create_credit_note
from billing.invoices.lifecycle import list_invoice_lines
from billing.invoices.payments import IncomingPayment, record_payment
from billing.invoices.void_and_write_off import void_invoice, write_off_invoice
from billing.ledger.ledger import Book, book_balance, outstanding_amount
from billing.ledger.wallets import TopUpRequest, top_up_wallet
from billing.metering.usage import UsageRecord, insert_usage
from billing.money import minor_from_text, minor_text, nano_from_text, nano_text
from billing.plan_changes.plan_changes import (
    PlanChange,
    PlanChangePreview,
    cancel_plan,
    change_plan,
    preview_plan_change,
    resume_plan,
    start_plan,
)
from billing.rating.plan_file import list_price_terms, parse_plan_file
from billing.rating.products import product_name
from billing.rating.quantities import Quantities, rate
from billing.rating.statement import unit_prices
from billing.reconciliation.usage_and_quotas import Difference, reconcile
from billing.subscriptions.plans import load_terms, publish_plan
from billing.subscriptions.subscriptions import find_subscription
from billing.tables import Account, CreditNote, Invoice, PlanVersion, QuotaKind, Settlement
from infra import ids
from infra.database.database import Database
from tests.support.billing.making import count_all_usage, until_no_transaction_runs

SHANGHAI = ZoneInfo("Asia/Shanghai")
# What is listed in these stories, in nano-units for one unit.
LISTED = {
    "llm": {"input_tokens": 500, "cached_input_tokens": 100, "output_tokens": 2_000},
    "vib": {"rows": 1_000_000},
    "eye": {"images": 50_000_000, "adaptation_seconds": 10_000_000},
}


class Calendar:
    """A clock that stands still until set. Months and days are local to the time zone."""

    def __init__(self, zone: ZoneInfo = SHANGHAI) -> None:
        self.zone = zone
        self._now = datetime(2026, 10, 1, tzinfo=zone).astimezone(UTC)

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return self._now.timestamp()

    def at(self, *at: int) -> datetime:
        """The instant of a local year, month, day and optional time."""
        return datetime(*at, tzinfo=self.zone).astimezone(UTC)  # type: ignore[misc,arg-type]

    def set(self, *at: int) -> None:
        self._now = self.at(*at)

    def pass_(self, **time: float) -> None:
        self._now += timedelta(**time)


@dataclass
class Firm:
    """An account of a story."""

    story: "Story"
    account: Account
    key_id: UUID

    async def use(
        self,
        model: str,
        at: datetime | None = None,
        tags: dict[str, str] | None = None,
        settlement: Settlement = Settlement.COMPLETE,
        version: UUID | None = None,
        operation: str | None = None,
        tier: str | None = None,
        saved_nano: int = 0,
        upstream: str | None = None,
        upstream_cost_nano: int | None = None,
        project: UUID | None = None,
        key: UUID | None = None,
        **units: int,
    ) -> UsageRecord:
        """One call now, or one that began at another time and is written now; at the terms of its
        time, or at others. It is a chat where it consumes tokens, a prediction where it does not,
        unless its operation is given; at the default tier, unless another is given. Included units
        made it cheaper by `saved_nano`."""
        story, at = self.story, at or self.story.clock.now()
        async with story.database.transaction() as session:
            if version is None:
                version, terms = await story.terms_at(session, self, model, at)
            else:
                terms = (await load_terms(session, [version]))[version]
            quantities = Quantities(**units)
            cost = rate(quantities, unit_prices(terms, product_name(model, tier))) - saved_nano
            record = UsageRecord(
                request_id=ids.new_id(),
                account_id=self.account.id,
                key_id=key,
                operation=operation
                or ("chat" if any("tokens" in unit for unit in units) else "predictions"),
                model=model,
                streamed=False,
                settlement=settlement,
                status=200,
                error_code=None,
                quantities=quantities,
                cost_nano=cost if settlement.billable else 0,
                currency=self.account.currency,
                started_at=at,
                duration_us=1000,
                first_chunk_us=None,
                plan_version_id=version,
                tags=tags,
                service_tier=tier,
                upstream=upstream,
                upstream_cost_nano=upstream_cost_nano,
                project_id=project,
            )
            await insert_usage(session, [record])
            await session.execute(
                text(
                    "update quota set used = used + :cost where account_id = :of and kind = :kind"
                ),
                {"cost": record.cost_nano, "of": self.account.id, "kind": QuotaKind.CREDIT.value},
            )
        return record

    async def subscribe(self, version: PlanVersion) -> PlanChange:
        async with self.story.database.transaction() as session:
            return await start_plan(session, self.story.clock, self.account.id, version)

    async def change(self, version: PlanVersion) -> PlanChange:
        async with self.story.database.transaction() as session:
            return await change_plan(session, self.story.clock, self.account.id, version)

    async def preview(self, version: PlanVersion) -> PlanChangePreview:
        async with self.story.database.transaction() as session:
            return await preview_plan_change(session, self.story.clock, self.account.id, version)

    async def cancel(self, *, at_end: bool = True) -> None:
        async with self.story.database.transaction() as session:
            await cancel_plan(session, self.story.clock, self.account.id, at_end=at_end)

    async def resume(self) -> None:
        async with self.story.database.transaction() as session:
            await resume_plan(session, self.story.clock, self.account.id)

    async def is_on(self, plan: str, *at: int) -> bool:
        moment = self.story.clock.at(*at)
        async with self.story.database.transaction() as session:
            standing = await find_subscription(session, self.account.id, moment)
        return standing is not None and standing.terms.plan == plan

    async def billed(self, **values: Any) -> None:
        """Change the billing profile."""
        async with self.story.database.transaction() as session:
            await update_profile(session, self.account.id, **values)

    async def pays(self, invoice: Invoice, amount: str, reference: str = "bank-1") -> Invoice:
        receipt = IncomingPayment("manual", reference, self.minor(amount), self.story.clock.now())
        async with self.story.database.transaction() as session:
            clock = self.story.clock
            return await record_payment(session, clock, self.account.id, invoice.id, receipt)

    async def pays_all(self) -> None:
        """Pay all open invoices."""
        for invoice in await self.invoices():
            if invoice.status == "open":
                name = f"bank-{self.account.name}-{invoice.number}"
                paid = await self.pays(invoice, await self.owes(invoice), name)
                assert paid.status == "paid"

    async def tops_up(self, amount: str, key: str, **grant: Any) -> None:
        """Add a wallet grant, paid or promotional (`paid=False`)."""
        given = TopUpRequest(self.minor(amount), **grant)
        async with self.story.database.transaction() as session:
            await top_up_wallet(session, self.story.clock, self.account.id, key, given)
            await refresh_account_credit(session, self.story.clock, self.account.id)

    async def is_credited(
        self, invoice: Invoice, amount: str, key: str = "dispute-1", *, refund: bool = False
    ) -> CreditNote:
        credit = CreditNoteRequest(self.minor(amount), "a dispute", refund)
        async with self.story.database.transaction() as session:
            clock = self.story.clock
            place = (self.account.id, invoice.id)
            return await create_credit_note(session, clock, *place, key, credit)

    def minor(self, amount: str) -> int:
        return minor_from_text(amount, self.account.currency)

    def text(self, minor: int) -> str:
        return minor_text(minor, self.account.currency)

    async def invoices(self) -> list[Invoice]:
        """The invoices, oldest first."""
        async with self.story.database.transaction() as session:
            query = select(Invoice).where(col(Invoice.account_id) == self.account.id)
            return list((await session.scalars(query.order_by(col(Invoice.id)))).all())

    async def lines(self, invoice: Invoice) -> list[tuple[Any, ...]]:
        """(kind, model, meter, used units, included units, amount) of the invoice lines."""
        async with self.story.database.transaction() as session:
            rows = await list_invoice_lines(session, self.account.id, invoice.id)
        return [
            (
                row.kind,
                row.model,
                row.meter,
                row.quantity,
                row.included,
                minor_text(row.minor, invoice.currency),
            )
            for row in rows
        ]

    async def fees(self, invoice: Invoice) -> list[tuple[str, str, str, str]]:
        """(kind, first day, day after the last, amount) of the fee lines."""
        zone = self.story.clock.zone
        async with self.story.database.transaction() as session:
            rows = await list_invoice_lines(session, self.account.id, invoice.id)
        return [
            (
                row.kind,
                local_day(row.starts_at, zone).isoformat(),
                local_day(row.ends_at, zone).isoformat(),
                self.text(row.minor),
            )
            for row in rows
            if row.starts_at and row.ends_at
        ]

    async def tagged(self, invoice: Invoice) -> list[tuple[Any, ...]]:
        """(tag, value, whether late, calls, rows, running cost) of the invoice's period."""
        totals = (
            "select tag, value, late, calls, rows, cost_nano from usage_tag_total "
            "where account_id = :of and period_id = :period order by tag, value, late"
        )
        values = {"of": self.account.id, "period": invoice.period_id}
        async with self.story.database.transaction() as session:
            found = (await session.execute(text(totals), values)).all()
        return [(*row[:5], nano_text(row[5]).rstrip("0").rstrip(".")) for row in found]

    def amounts(self, invoice: Invoice) -> tuple[str, str, str]:
        """(net, tax, total) of the invoice."""
        return self.text(invoice.net), self.text(invoice.tax), self.text(invoice.total)

    async def owes(self, invoice: Invoice) -> str:
        async with self.story.database.transaction() as session:
            return self.text(await outstanding_amount(session, self.account.id, invoice.id))

    async def balance(self, book: Book) -> int:
        async with self.story.database.transaction() as session:
            return await book_balance(session, self.account.id, book)

    async def wallet(self) -> str:
        return self.text(-await self.balance(Book.WALLET))

    async def credit(self) -> str:
        """The available credit at the gateways, without trailing zeros."""
        left = (
            "select amount - used from quota where account_id = :of and kind = :kind "
            "and amount = (select sum(amount_nano) from credit_entry where account_id = :of)"
        )
        values = {"of": self.account.id, "kind": QuotaKind.CREDIT.value}
        async with self.story.database.transaction() as session:
            nano = (await session.execute(text(left), values)).scalar_one()
        return nano_text(nano).rstrip("0").rstrip(".")


class Story:
    """The database, the clock and the operator's actions."""

    def __init__(self, database: Database, zone: ZoneInfo = SHANGHAI) -> None:
        self.database = database
        self.clock = Calendar(zone)

    async def firm(
        self,
        name: str = "Acme 精密",
        currency: str = "CNY",
        credit: str = "1000",
        **profile: Any,
    ) -> Firm:
        """A new account with a credit limit and the calendar's time zone."""
        terms = AccountLimits(nano_from_text(credit), None, None, None)
        new = NewProfile(time_zone=self.clock.zone.key, **profile)
        async with self.database.transaction() as session:
            account = await open_account(session, self.clock, name, currency, terms, new)
            await publish_plan(session, self.clock, list_price_terms(currency, LISTED))
        return Firm(self, account, ids.new_id())

    async def plan(self, toml: str) -> PlanVersion:
        terms = parse_plan_file(toml, lambda _currency: LISTED)
        async with self.database.transaction() as session:
            return await publish_plan(session, self.clock, terms)

    async def counts(self) -> None:
        """Run the job that aggregates usage and refreshes credit."""
        await count_all_usage(self.database, self.clock)

    async def jobs(self) -> list[UUID]:
        """Run all due jobs; returns the finalized invoices."""
        await until_no_transaction_runs(self.database)
        final = await bill_accounts(self.database, self.clock)
        await expire_wallets(self.database, self.clock)
        return final

    async def until(self, *at: int) -> list[UUID]:
        """Set the clock and run the jobs."""
        self.clock.set(*at)
        return await self.jobs()

    async def voids(self, invoice: Invoice) -> None:
        async with self.database.transaction() as session:
            await void_invoice(session, self.clock, invoice.account_id, invoice.id)

    async def gives_up(self, invoice: Invoice) -> None:
        """Mark the invoice uncollectible."""
        async with self.database.transaction() as session:
            await write_off_invoice(session, self.clock, invoice.account_id, invoice.id)

    async def differences(self) -> Sequence[Difference]:
        await count_all_usage(self.database, self.clock)
        async with self.database.transaction() as session:
            return (await reconcile(session)).differences

    async def terms_at(self, session: Any, firm: Firm, model: str, at: datetime) -> Any:
        """The terms by which the gateway prices a call at this time."""
        standing = await find_subscription(session, firm.account.id, at)
        if standing is not None and standing.terms.has_model(model):
            return standing.phase.plan_version_id, standing.terms
        listed = list_price_terms(firm.account.currency, LISTED)
        return listed.version_id(), listed
