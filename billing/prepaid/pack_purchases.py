"""Purchases of prepaid packs: buy, list and find.

    buy -> invoice (at once, with tax) -> paid -> usable until it expires
                                       \\-> usable at once, on account of a plan that allows it

The invoice has one line and is paid like any other: from the wallet, by code, card or transfer.
Every purchase happens under the lock of the account's billing profile.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from sqlalchemy import func
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.accounts.profiles import lock_profile
from billing.invoices.available_credit import refresh_account_credit, sum_uninvoiced_usage
from billing.invoices.calculation import compute_amounts
from billing.invoices.lifecycle import create_draft, finalize_invoice, replace_draft_lines
from billing.ledger.ledger import Book, book_balance
from billing.metering.packs import (
    ON_ACCOUNT,
    PACK_PURCHASE_PREFIX,
    PackUnits,
    PurchaseState,
    activate_purchase,
    load_pack_units,
)
from billing.metering.quotas import lock_quotas
from billing.money import minor_text, nano_per_minor
from billing.prepaid.pack_errors import (
    PackFundsInsufficient,
    PackPurchaseConflict,
    PackPurchaseNotFound,
    PackUnavailable,
)
from billing.prepaid.pack_offers import OfferedPack, find_offered_pack
from billing.rating.statement import LineKind, StatementLine
from billing.rating.terms import ANY_MODEL, PlanTerms
from billing.subscriptions.plans import load_terms
from billing.subscriptions.subscriptions import find_subscription
from billing.tables import BillingProfile, Invoice, Pack, PackPurchase, Quota, QuotaKind
from infra import ids
from infra.clock import Clock

# An invoice of a pack that is not paid by then is voided.
PAYMENT_TIME = timedelta(days=3)
_COUNTED_STATES = (PurchaseState.UNPAID, PurchaseState.ACTIVE, PurchaseState.EXPIRED)


class PackMethod(StrEnum):
    """How a pack is paid."""

    WALLET = "wallet"
    INVOICE = "invoice"  # pay the invoice first, by code, card or transfer
    ON_ACCOUNT = ON_ACCOUNT  # usable before the invoice is paid
    VOUCHER = "voucher"  # given by a voucher, without an invoice


@dataclass(frozen=True, slots=True)
class BoughtPack:
    """A purchase with its pack, terms and units used and leased."""

    purchase: PackPurchase
    pack: Pack
    terms: PlanTerms
    units: PackUnits

    @property
    def remaining(self) -> int:
        """Units that settled calls have not used; 0 if the purchase has ended."""
        if self.purchase.state != PurchaseState.ACTIVE:
            return 0
        return max(0, self.purchase.units - self.units.used)


async def buy_pack(
    session: AsyncSession,
    clock: Clock,
    account_id: UUID,
    business_key: str,
    name: str,
    method: PackMethod,
) -> PackPurchase:
    """Buy a pack, once per business key, and issue its invoice.

    Raises PackNotFound, PackUnavailable, PackFundsInsufficient, PackPurchaseConflict.
    """
    profile = await lock_profile(session, account_id)
    existing = await _find_by_business_key(session, account_id, business_key)
    if existing is not None:
        pack = await session.get_one(Pack, existing.pack_id)
        if (pack.name, existing.method) != (name, method.value):
            raise PackPurchaseConflict(
                "This reference was used for another purchase. Use a new reference."
            )
        return existing
    offer = await find_offered_pack(session, account_id, name)
    await _require_allowed(session, clock, profile, offer.pack, method)
    if method is PackMethod.WALLET:
        await _require_funds(session, clock, profile, pack_line(offer))
    elif method is PackMethod.ON_ACCOUNT:
        await _require_credit(session, clock, profile, pack_line(offer))
    purchase = new_purchase(account_id, offer.pack, business_key, method, clock.now())
    purchase.pay_until = clock.now() + PAYMENT_TIME if method is PackMethod.INVOICE else None
    session.add(purchase)
    await _issue_invoice(session, clock, profile, purchase, offer)
    if method is PackMethod.ON_ACCOUNT:
        await activate_purchase(session, purchase, offer.pack, clock.now())
    await refresh_account_credit(session, clock, account_id)
    return purchase


def new_purchase(
    account_id: UUID, pack: Pack, business_key: str, method: PackMethod, now: datetime
) -> PackPurchase:
    """Return the row of a purchase that is not usable yet."""
    return PackPurchase(
        id=ids.new_id(),
        account_id=account_id,
        pack_id=pack.id,
        business_key=business_key,
        method=method.value,
        state=PurchaseState.UNPAID.value,
        model=pack.model,
        meter=pack.meter,
        units=pack.units,
        created_at=now,
    )


def pack_line(offer: OfferedPack) -> StatementLine:
    """Return the invoice line of a pack: its price for its units."""
    pack = offer.pack
    return StatementLine(
        LineKind.PACK,
        pack.minor,
        pack.terms_id,
        None if pack.model == ANY_MODEL else pack.model,
        pack.meter,
        pack.units,
    )


async def list_purchases(
    session: AsyncSession, account_id: UUID, limit: int = 100
) -> list[BoughtPack]:
    """List an account's purchases, newest first."""
    query = select(PackPurchase).where(col(PackPurchase.account_id) == account_id)
    purchases = await session.scalars(query.order_by(col(PackPurchase.id).desc()).limit(limit))
    return await _load_bought(session, account_id, purchases.all())


async def list_pack_purchases(
    session: AsyncSession,
    limit: int = 200,
    before: UUID | None = None,
    account_id: UUID | None = None,
) -> list[BoughtPack]:
    """List the purchases of all accounts, or of one, newest first; older than `before` if given.

    For operators: reads across accounts (no account_id filter).
    """
    query = select(PackPurchase).order_by(col(PackPurchase.id).desc()).limit(limit)
    if before is not None:
        query = query.where(col(PackPurchase.id) < before)
    if account_id is not None:
        query = query.where(col(PackPurchase.account_id) == account_id)
    purchases = (await session.scalars(query)).all()
    bought: list[BoughtPack] = []
    for owner_id in dict.fromkeys(purchase.account_id for purchase in purchases):
        own = [purchase for purchase in purchases if purchase.account_id == owner_id]
        bought += await _load_bought(session, owner_id, own)
    return sorted(bought, key=lambda one: one.purchase.id, reverse=True)


async def get_purchase(session: AsyncSession, account_id: UUID, purchase_id: UUID) -> BoughtPack:
    """Return one of the account's purchases. Raises PackPurchaseNotFound."""
    query = select(PackPurchase).where(
        col(PackPurchase.account_id) == account_id, col(PackPurchase.id) == purchase_id
    )
    purchases = (await session.scalars(query)).all()
    if not purchases:
        raise PackPurchaseNotFound("The account has no such pack purchase.", param="purchase")
    return (await _load_bought(session, account_id, purchases))[0]


async def find_purchase_account(session: AsyncSession, purchase_id: UUID) -> UUID:
    """Return the account of a purchase. Raises PackPurchaseNotFound.

    For operators: reads across accounts (account_id).
    """
    query = select(PackPurchase.account_id).where(col(PackPurchase.id) == purchase_id)
    account_id = (await session.scalars(query)).one_or_none()
    if account_id is None:
        raise PackPurchaseNotFound("There is no such pack purchase.", param="purchase")
    return account_id


def parse_purchase_id(text: str) -> UUID:
    """Parse the public id of a purchase. Raises PackPurchaseNotFound if it is malformed."""
    purchase_id = ids.parse_id(PACK_PURCHASE_PREFIX, text)
    if purchase_id is None:
        raise PackPurchaseNotFound("The account has no such pack purchase.", param="purchase")
    return purchase_id


async def require_within_limits(session: AsyncSession, account_id: UUID, pack: Pack) -> None:
    """Raise PackUnavailable if the account, or all together, have bought as many as they may.

    All rows of the pack's name count, so that a change of the offer gives no further ones.
    """
    # Two accounts may buy the last one at once: the row lock lets one wait for the other.
    await session.execute(select(Pack.id).where(col(Pack.id) == pack.id).with_for_update())
    same_name = select(Pack.id).where(
        col(Pack.name) == pack.name, col(Pack.currency) == pack.currency
    )
    bought = select(func.count()).where(
        col(PackPurchase.pack_id).in_(same_name),
        col(PackPurchase.state).in_([state.value for state in _COUNTED_STATES]),
    )
    own = bought.where(col(PackPurchase.account_id) == account_id)
    for limit, query, whose in (
        (pack.max_per_account, own, "per account"),
        (pack.max_total, bought, "in total"),
    ):
        if limit is not None and (await session.execute(query)).scalar_one() >= limit:
            raise PackUnavailable(
                f"This pack can be bought {limit} times {whose}, which is reached.", param="pack"
            )


async def _require_allowed(
    session: AsyncSession, clock: Clock, profile: BillingProfile, pack: Pack, method: PackMethod
) -> None:
    """Raise PackUnavailable if the account may not buy the pack in this way now."""
    if method is PackMethod.VOUCHER:
        raise PackUnavailable("A voucher is redeemed, not bought.", param="method")
    if method is PackMethod.ON_ACCOUNT:
        subscription = await find_subscription(session, profile.account_id, clock.now())
        plan = None if subscription is None else subscription.terms.plan
        if plan not in pack.on_account_plans:
            raise PackUnavailable(
                "The account's plan does not allow this pack on account. Pay it from the wallet "
                "or pay its invoice first.",
                param="method",
            )
    if profile.suspended_at is not None:
        raise PackUnavailable("Calls are suspended. Pay the overdue invoices first.")
    await require_within_limits(session, profile.account_id, pack)


async def _require_funds(
    session: AsyncSession, clock: Clock, profile: BillingProfile, line: StatementLine
) -> None:
    """Raise PackFundsInsufficient unless the wallet covers the pack beside all usage so far.

    Money that running calls hold counts as used: the credit quota is locked, so that no gateway
    leases what pays for the pack.
    """
    account_id = profile.account_id
    amounts = await compute_amounts(session, profile, [line])
    price, currency = amounts.taxed.total, await _currency_of(session, line)
    wallet = -await book_balance(session, account_id, Book.WALLET)
    free = wallet - await sum_uninvoiced_usage(session, profile, clock.now())
    unleased = await _lock_credit(session, account_id, currency)
    if unleased is not None:
        # Credit is before tax, and so is what the pack takes of it.
        free = min(free, price + unleased - amounts.taxed.net)
    if free < price:
        raise PackFundsInsufficient(
            f"The pack costs {minor_text(price, currency)} {currency} with tax. "
            f"{minor_text(max(0, free), currency)} {currency} of the wallet is free. "
            "Top up the wallet, or pay the invoice of the pack first.",
            param="method",
        )


async def _require_credit(
    session: AsyncSession, clock: Clock, profile: BillingProfile, line: StatementLine
) -> None:
    """Raise PackFundsInsufficient unless the available credit covers the pack before tax.

    An unpaid pack reduces the available credit, so that it is not sold twice.
    """
    price = (await compute_amounts(session, profile, [line])).taxed.net
    currency = await _currency_of(session, line)
    await refresh_account_credit(session, clock, profile.account_id)
    available = await _lock_credit(session, profile.account_id, currency)
    if available is not None and available < price:
        raise PackFundsInsufficient(
            f"The pack costs {minor_text(price, currency)} {currency} before tax. The available "
            f"credit is {minor_text(max(0, available), currency)} {currency}. Pay open invoices "
            "first, or pay the pack from the wallet or by its invoice.",
            param="method",
        )


async def _lock_credit(session: AsyncSession, account_id: UUID, currency: str) -> int | None:
    """Lock the account's credit; return what is neither used nor leased, in minor units.

    Before tax and rounded down. None without a limit.
    """
    await lock_quotas(session, account_id)
    query = select(Quota).where(
        col(Quota.account_id) == account_id,
        col(Quota.kind) == QuotaKind.CREDIT.value,
        col(Quota.key_id).is_(None),
    )
    found = await session.scalars(query, execution_options={"populate_existing": True})
    credit = found.one_or_none()
    if credit is None or credit.amount is None:
        return None
    return (credit.amount - credit.used - credit.leased) // nano_per_minor(currency)


async def _currency_of(session: AsyncSession, line: StatementLine) -> str:
    """Return the currency of a line's terms."""
    return (await load_terms(session, [line.version_id]))[line.version_id].currency


async def _issue_invoice(
    session: AsyncSession,
    clock: Clock,
    profile: BillingProfile,
    purchase: PackPurchase,
    offer: OfferedPack,
) -> Invoice:
    """Issue the invoice of a purchase: its net amount is deferred revenue.

    Money in the wallet may be needed for usage, so only a purchase from the wallet takes it.
    """
    now = clock.now()
    ends_at = now + timedelta(days=offer.pack.validity_days)
    invoice = await create_draft(session, profile, now, ends_at, now)
    await replace_draft_lines(session, profile, invoice, [pack_line(offer)])
    purchase.invoice_id = invoice.id
    await session.flush()
    return await finalize_invoice(
        session,
        clock,
        profile,
        invoice,
        fee_book=Book.DEFERRED_REVENUE,
        use_wallet=purchase.method == PackMethod.WALLET,
    )


async def _load_bought(
    session: AsyncSession, account_id: UUID, purchases: Sequence[PackPurchase]
) -> list[BoughtPack]:
    """Return purchases of an account with their packs, terms and units, in their order."""
    query = select(Pack).where(col(Pack.id).in_({purchase.pack_id for purchase in purchases}))
    packs = {pack.id: pack for pack in (await session.scalars(query)).all()}
    terms = await load_terms(session, {pack.terms_id for pack in packs.values()})
    units = await load_pack_units(session, account_id, [purchase.id for purchase in purchases])
    return [
        BoughtPack(
            purchase,
            packs[purchase.pack_id],
            terms[packs[purchase.pack_id].terms_id],
            units[purchase.id],
        )
        for purchase in purchases
    ]


async def _find_by_business_key(
    session: AsyncSession, account_id: UUID, business_key: str
) -> PackPurchase | None:
    """Return the account's purchase with this business key, None if there is none."""
    query = select(PackPurchase).where(
        col(PackPurchase.account_id) == account_id, col(PackPurchase.business_key) == business_key
    )
    return (await session.scalars(query)).one_or_none()
