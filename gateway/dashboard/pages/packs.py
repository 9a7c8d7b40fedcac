"""Prepaid packs of an account: what is left, what can be bought, and vouchers."""

from typing import Any
from uuid import UUID

from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery
from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.profiles import get_account_currency, get_profile, profile_tax
from billing.dates import parse_time_zone
from billing.invoices.calculation import compute_amounts
from billing.ledger.ledger import Book, book_balance
from billing.prepaid.pack_errors import PackFundsInsufficient, PackUnavailable
from billing.prepaid.pack_offers import OfferedPack, find_offered_pack, list_offered_packs
from billing.prepaid.pack_purchases import PackMethod, list_purchases, pack_line
from billing.prepaid.redemption import (
    TooManyVoucherAttempts,
    VoucherInvalid,
    VoucherNotRedeemable,
)
from billing.prepaid.views import purchase_json, purchase_status
from billing.subscriptions.subscriptions import find_subscription
from gateway.dashboard.errors import PageNotFound
from gateway.dashboard.forms import (
    EMPTY_FORM,
    FormState,
    read_form_fields,
    restored_form,
    with_errors,
)
from gateway.dashboard.page_request import UNPROCESSABLE, PageRequest
from gateway.identity.roles import Permission
from gateway.operations.prepaid import PackOrder, order_pack, redeem_code
from infra import ids
from infra.clock import Clock
from infra.database.database import Database

_URL = "/dashboard/packs"


class PackPages(Controller):
    """Handlers of `/dashboard/packs`."""

    path = "/packs"

    @get("/", name="dashboard:packs")
    async def show_packs(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        redeemed: FromQuery[str | None] = None,
    ) -> Response[str]:
        """Show bought packs with their rest, packs on offer, and the form of a voucher."""
        return await render_packs(page, database, clock, EMPTY_FORM, redeemed=redeemed == "1")

    @get("/{pack:str}", name="dashboard:pack", permission=Permission.PAY)
    async def show_purchase_form(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        pack: FromPath[str],
    ) -> Response[str]:
        """Show what a pack costs with tax, and ask for confirmation."""
        # The form carries an idempotency key, so that sending it twice buys one pack.
        form = restored_form(page, {"key": ids.new_id().hex})
        return await _render_confirmation(page, database, clock, pack, form)

    @post("/{pack:str}", permission=Permission.PAY)
    async def buy(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        pack: FromPath[str],
        request: Request[Any, Any, Any],
    ) -> Response[Any]:
        """Buy a pack and lead to its invoice if it must be paid, else to the packs."""
        fields = {"method": "", "key": "", **await read_form_fields(request)}
        order = PackOrder(
            page.actor, page.account_id, pack, _parse_method(fields["method"]), _key(fields["key"])
        )
        try:
            async with database.transaction() as session:
                bought = await order_pack(session, clock, order)
        except (PackUnavailable, PackFundsInsufficient) as error:
            form = with_errors(page, {**fields, "key": ids.new_id().hex}, error)
            return await _render_confirmation(page, database, clock, pack, form, UNPROCESSABLE)
        invoice_id = bought.purchase.invoice_id
        if order.method is PackMethod.INVOICE and invoice_id is not None:
            return page.redirect(f"/dashboard/invoices/{ids.format_id('inv', invoice_id)}")
        return page.redirect(_URL)


class VoucherPages(Controller):
    """Handlers of `/dashboard/vouchers`."""

    path = "/vouchers"

    @post("/", permission=Permission.PAY)
    async def redeem(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        request: Request[Any, Any, Any],
    ) -> Response[Any]:
        """Redeem a voucher and show the packs and the wallet's balance."""
        fields = {"code": "", **await read_form_fields(request)}
        try:
            await redeem_code(database, clock, page.actor, page.account_id, fields["code"])
        except (VoucherInvalid, VoucherNotRedeemable, TooManyVoucherAttempts) as error:
            form = with_errors(page, fields, error)
            return await render_packs(page, database, clock, form, UNPROCESSABLE)
        return page.redirect(f"{_URL}?redeemed=1")


async def render_packs(
    page: PageRequest,
    database: Database,
    clock: Clock,
    form: FormState,
    status: int = 200,
    *,
    redeemed: bool = False,
) -> Response[str]:
    """Render bought packs and packs on offer."""
    account_id = page.account_id
    async with database.transaction() as session:
        profile = await get_profile(session, account_id)
        bought = await list_purchases(session, account_id)
        offered = await list_offered_packs(session, account_id)
        wallet = -await book_balance(session, account_id, Book.WALLET)
        currency = await get_account_currency(session, account_id)
    now = clock.now()
    return page.render(
        "packs.html",
        status=status,
        bought=[(one, purchase_json(one, now), purchase_status(one, now)) for one in bought],
        offered=offered,
        wallet=wallet,
        currency=currency,
        taxed=profile_tax(profile).applied_ppm > 0,
        may=page.viewer.has_permission(Permission.PAY),
        zone=parse_time_zone(profile.time_zone),
        form=form,
        redeemed=redeemed,
    )


async def _render_confirmation(
    page: PageRequest,
    database: Database,
    clock: Clock,
    name: str,
    form: FormState,
    status: int = 200,
) -> Response[str]:
    """Render the price of a pack with tax and the ways to pay. Raises PackNotFound."""
    account_id = page.account_id
    async with database.transaction() as session:
        offer = await find_offered_pack(session, account_id, name)
        profile = await get_profile(session, account_id)
        amounts = await compute_amounts(session, profile, [pack_line(offer)])
        wallet = -await book_balance(session, account_id, Book.WALLET)
        methods = await _methods(session, clock, account_id, offer)
    return page.render(
        "pack_buy.html",
        status=status,
        offer=offer,
        amounts=amounts.taxed,
        wallet=wallet,
        methods=[method.value for method in methods],
        form=form,
        action=f"{_URL}/{offer.pack.name}",
    )


async def _methods(
    session: AsyncSession, clock: Clock, account_id: UUID, offer: OfferedPack
) -> list[PackMethod]:
    """Return the ways in which an account may pay a pack."""
    subscription = await find_subscription(session, account_id, clock.now())
    plan = None if subscription is None else subscription.terms.plan
    on_account = [PackMethod.ON_ACCOUNT] if plan in offer.pack.on_account_plans else []
    return [PackMethod.WALLET, PackMethod.INVOICE, *on_account]


def _parse_method(text: str) -> PackMethod:
    """Parse the way to pay. Raises PageNotFound if the form is not genuine."""
    try:
        return PackMethod(text)
    except ValueError as error:
        raise PageNotFound("Unknown form.") from error


def _key(text: str) -> str:
    """Parse the form's idempotency key. Raises PageNotFound if the form is not genuine."""
    try:
        return f"page:{UUID(hex=text).hex}"
    except ValueError as error:
        raise PageNotFound("Unknown form.") from error
