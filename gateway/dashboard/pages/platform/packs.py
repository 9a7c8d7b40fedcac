"""The operator's page of prepaid packs and vouchers: sales, refunds, new codes, report."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.metering.packs import PACK_PURCHASE_PREFIX
from billing.money import minor_from_text
from billing.prepaid.pack_offers import PackNotFound, list_all_packs
from billing.prepaid.pack_purchases import (
    BoughtPack,
    find_purchase_account,
    get_purchase,
    list_pack_purchases,
)
from billing.prepaid.pack_refunds import PackNotRefundable, refund_amount
from billing.prepaid.views import purchase_json, purchase_status
from billing.prepaid.vouchers import (
    VOUCHER_BATCH_PREFIX,
    NewBatch,
    VoucherBatchInvalid,
    report_vouchers,
)
from billing.tables import Account, Invoice
from gateway.dashboard.forms import (
    EMPTY_FORM,
    FormState,
    read_form_fields,
    restored_form,
    with_errors,
)
from gateway.dashboard.page_request import UNPROCESSABLE, PageRequest
from gateway.dashboard.pages.platform.common import parse_id_or_404, platform_zone
from gateway.dashboard.preserved_input import PreservedFields
from gateway.identity.roles import Permission
from gateway.operations.accounts import ReasonMissing, validate_reason
from gateway.operations.prepaid import cancel_vouchers, issue_vouchers, refund_purchase
from infra.clock import Clock
from infra.database.database import Database
from infra.settings import Settings

_URL = "/dashboard/platform/packs"
_REASON = PreservedFields(_URL + "/purchases/{purchase}/refund", ("reason",))
_MAX_CODES_ON_PAGE = 500


class PlatformPackPages(Controller):
    """Handlers of `/dashboard/platform/packs`."""

    path = "/platform/packs"

    @get("/", name="platform:packs", permission=Permission.WATCH)
    async def show_packs(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        settings: NamedDependency[Settings],
    ) -> Response[str]:
        """Show packs, purchases of all accounts and batches of vouchers."""
        return await _render(page, database, clock, settings, EMPTY_FORM)

    @post("/vouchers", permission=Permission.OPERATE)
    async def create_vouchers(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        settings: NamedDependency[Settings],
        request: Request[Any, Any, Any],
    ) -> Response[Any]:
        """Create vouchers, and show their codes once."""
        fields = {**_EMPTY_BATCH, **await read_form_fields(request)}
        try:
            new = _parse_batch(fields, settings.currency, clock.now())
            async with database.transaction() as session:
                _, codes = await issue_vouchers(session, clock, page.actor, new)
        except (VoucherBatchInvalid, PackNotFound) as error:
            form = with_errors(page, fields, error)
            return await _render(page, database, clock, settings, form, UNPROCESSABLE)
        return await _render(page, database, clock, settings, EMPTY_FORM, codes=codes)

    @post("/vouchers/{batch:str}/cancel", permission=Permission.OPERATE)
    async def cancel_batch(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        batch: FromPath[str],
    ) -> Response[Any]:
        """Cancel a batch of vouchers."""
        batch_id = parse_id_or_404(VOUCHER_BATCH_PREFIX, batch)
        async with database.transaction() as session:
            await cancel_vouchers(session, clock, page.actor, batch_id)
        return page.redirect(_URL)

    @get(
        "/purchases/{purchase:str}/refund",
        name="platform:pack-refund",
        permission=Permission.OPERATE,
    )
    async def show_refund(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        purchase: FromPath[str],
    ) -> Response[str]:
        """Show the form to refund a pack, with the amount of the refund."""
        return await _render_refund(page, database, purchase, restored_form(page))

    @post("/purchases/{purchase:str}/refund", permission=Permission.OPERATE, keeps=_REASON)
    async def refund(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        purchase: FromPath[str],
        request: Request[Any, Any, Any],
    ) -> Response[Any]:
        """Refund the unused units of a pack to the wallet."""
        fields = {"reason": "", **await read_form_fields(request)}
        purchase_id = parse_id_or_404(PACK_PURCHASE_PREFIX, purchase)
        try:
            reason = validate_reason(fields["reason"])
            async with database.transaction() as session:
                account_id = await find_purchase_account(session, purchase_id)
                await refund_purchase(session, clock, page.actor, account_id, purchase_id, reason)
        except (ReasonMissing, PackNotRefundable) as error:
            form = with_errors(page, fields, error)
            return await _render_refund(page, database, purchase, form, UNPROCESSABLE)
        return page.redirect(_URL)


_EMPTY_BATCH = {"name": "", "amount": "", "pack": "", "codes": "", "days": "", "credit_days": ""}


def _parse_batch(fields: dict[str, str], currency: str, now: datetime) -> NewBatch:
    """Return the batch that a form asks for. Raises VoucherBatchInvalid."""
    amount, pack = fields["amount"].strip(), fields["pack"].strip()
    try:
        minor = minor_from_text(amount, currency) if amount else None
    except ValueError as error:
        raise VoucherBatchInvalid("amount: must be a decimal number.", param="amount") from error
    codes = _parse_count(fields, "codes")
    if codes > _MAX_CODES_ON_PAGE:
        raise VoucherBatchInvalid(f"codes: at most {_MAX_CODES_ON_PAGE} here.", param="codes")
    return NewBatch(
        name=fields["name"],
        currency=currency,
        codes=codes,
        expires_at=now + timedelta(days=_parse_count(fields, "days")),
        minor=minor,
        pack=pack or None,
        credit_days=_parse_count(fields, "credit_days") if fields["credit_days"].strip() else None,
        new_customers_only="new_customers" in fields,
    )


def _parse_count(fields: dict[str, str], name: str) -> int:
    """Return a field as a number from 1 to 100000. Raises VoucherBatchInvalid."""
    text = fields[name].strip()
    if not (text.isascii() and text.isdigit() and 0 < int(text[:9]) <= 100_000):
        raise VoucherBatchInvalid(f"{name}: must be a whole number.", param=name)
    return int(text[:9])


async def _render(
    page: PageRequest,
    database: Database,
    clock: Clock,
    settings: Settings,
    form: FormState,
    status: int = 200,
    codes: Sequence[str] = (),
) -> Response[str]:
    """Render packs, purchases and vouchers of all accounts."""
    now = clock.now()
    async with database.transaction() as session:
        offers = await list_all_packs(session)
        bought = await list_pack_purchases(session)
        reports = await report_vouchers(session, now)
        names = await _account_names(session, bought)
    return page.render(
        "platform/packs.html",
        status=status,
        offers=[one for one in offers if one.pack.withdrawn_at is None],
        bought=[(one, purchase_json(one, now), purchase_status(one, now)) for one in bought],
        reports=reports,
        names=names,
        codes=codes,
        currency=settings.currency,
        may=page.viewer.has_permission(Permission.OPERATE),
        form=form,
        now=now,
        zone=platform_zone(),
    )


async def _render_refund(
    page: PageRequest, database: Database, purchase: str, form: FormState, status: int = 200
) -> Response[str]:
    """Render the form to refund a pack."""
    purchase_id = parse_id_or_404(PACK_PURCHASE_PREFIX, purchase)
    async with database.transaction() as session:
        account_id = await find_purchase_account(session, purchase_id)
        bought = await get_purchase(session, account_id, purchase_id)
        invoice_id = bought.purchase.invoice_id
        total = 0 if invoice_id is None else (await session.get_one(Invoice, invoice_id)).total
    return page.render(
        "platform/pack_refund.html",
        status=status,
        one=bought,
        amount=refund_amount(total, bought.remaining, bought.purchase.units),
        action=f"{_URL}/purchases/{purchase}/refund",
        form=form,
    )


async def _account_names(session: AsyncSession, bought: Sequence[BoughtPack]) -> dict[UUID, str]:
    """Return the names of the accounts of purchases, by account id."""
    account_ids = {one.purchase.account_id for one in bought}
    query = select(Account.id, Account.name).where(col(Account.id).in_(account_ids))
    return {account_id: name for account_id, name in (await session.execute(query)).all()}
