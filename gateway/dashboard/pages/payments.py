"""Payment by QR code: the wallet with its top-up, and the page with the code of an order."""

from typing import Any
from uuid import UUID

from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from billing.accounts.profiles import get_account_currency, get_profile
from billing.collection.payments.checkout import Checkout, PaymentProviderUnavailable
from billing.collection.payments.orders import (
    PAYMENT_ORDER_PREFIX,
    PaymentMethodUnavailable,
    TooManyPaymentOrders,
    TopUpLimits,
    get_order,
    list_orders,
)
from billing.collection.payments.refunds import list_refunds
from billing.dates import parse_time_zone
from billing.invoices.lifecycle import INVOICE_ID_PREFIX, InvoiceNotFound
from billing.ledger.wallets import TopUpInvalid, list_grant_balances
from billing.prepaid.auto_top_up import find_auto_top_up
from billing.tables import PaymentOrder
from gateway.dashboard.errors import PageNotFound
from gateway.dashboard.forms import FormState, read_form_fields, restored_form, with_errors
from gateway.dashboard.page_request import UNPROCESSABLE, PageRequest
from gateway.dashboard.preserved_input import PreservedFields
from gateway.dashboard.qr import qr_svg_path
from gateway.identity.roles import Permission
from gateway.operations.payment_orders import (
    PaymentOperations,
    PaymentRequest,
    parse_payment_order_id,
)
from infra import ids
from infra.clock import Clock
from infra.database.database import Database
from infra.settings import Settings

_WALLET_URL, _ORDERS_URL = "/dashboard/wallet", "/dashboard/payments"
_SHOWN_ORDERS = 20
_TOP_UP_FIELDS = PreservedFields(_WALLET_URL, ("key", "amount", "method"))


class WalletPages(Controller):
    """Handlers of `/dashboard/wallet`."""

    path = "/wallet"

    @get("/", name="dashboard:wallet")
    async def show_wallet(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        settings: NamedDependency[Settings],
        checkout: NamedDependency[Checkout],
    ) -> Response[str]:
        """Show the prepaid balance, the form of a top-up and recent payments."""
        # The form carries an idempotency key, so that sending it twice opens one order.
        form = restored_form(page, {"key": ids.new_id().hex})
        return await render_wallet(page, database, settings, checkout, form)

    @post("/", permission=Permission.PAY, keeps=_TOP_UP_FIELDS)
    async def top_up(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        settings: NamedDependency[Settings],
        checkout: NamedDependency[Checkout],
        request: Request[Any, Any, Any],
    ) -> Response[Any]:
        """Open a payment order of a top-up and lead to its code."""
        fields = {"amount": "", "method": "", **await read_form_fields(request)}
        payment = PaymentRequest(
            actor=page.actor,
            account_id=page.account_id,
            method=fields["method"],
            top_up=fields["amount"],
            key=_parse_key(fields.get("key", "")),
        )
        operations = PaymentOperations(database, clock, settings, checkout)
        try:
            order = await operations.start(payment)
        except (
            TopUpInvalid,
            TooManyPaymentOrders,
            PaymentMethodUnavailable,
            PaymentProviderUnavailable,
        ) as error:
            form = with_errors(page, {**fields, "key": ids.new_id().hex}, error)
            return await render_wallet(page, database, settings, checkout, form, UNPROCESSABLE)
        return page.redirect(_order_url(order))


class PaymentOrderPages(Controller):
    """Handlers of `/dashboard/payments`."""

    path = "/payments"

    @post("/invoices/{invoice:str}", permission=Permission.PAY)
    async def pay_invoice(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        settings: NamedDependency[Settings],
        checkout: NamedDependency[Checkout],
        invoice: FromPath[str],
        request: Request[Any, Any, Any],
    ) -> Response[Any]:
        """Open a payment order of an invoice, or find the active one, and lead to its code."""
        invoice_id = ids.parse_id(INVOICE_ID_PREFIX, invoice)
        if invoice_id is None:
            raise InvoiceNotFound("The account has no such invoice.", param="invoice")
        method = (await read_form_fields(request)).get("method", "")
        payment = PaymentRequest(page.actor, page.account_id, method, invoice_id)
        operations = PaymentOperations(database, clock, settings, checkout)
        return page.redirect(_order_url(await operations.start(payment)))

    @get("/{order:str}", name="dashboard:payment")
    async def show_payment(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        order: FromPath[str],
    ) -> Response[str]:
        """Show the code of a payment order until it is paid, then the result."""
        return await _render_order(page, database, order, "payment.html")

    @get("/{order:str}/status", name="dashboard:payment-status")
    async def show_payment_status(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        order: FromPath[str],
    ) -> Response[str]:
        """Show the part of the page that replaces itself while the order waits."""
        return await _render_order(page, database, order, "parts/payment_status.html")

    @post("/{order:str}/cancel", permission=Permission.PAY)
    async def cancel_payment(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        settings: NamedDependency[Settings],
        checkout: NamedDependency[Checkout],
        order: FromPath[str],
    ) -> Response[Any]:
        """Cancel an order that waits, and show what became of it."""
        operations = PaymentOperations(database, clock, settings, checkout)
        order_id = parse_payment_order_id(order)
        return page.redirect(
            _order_url(await operations.cancel(page.actor, page.account_id, order_id))
        )


async def render_wallet(
    page: PageRequest,
    database: Database,
    settings: Settings,
    checkout: Checkout,
    form: FormState,
    status: int = 200,
) -> Response[str]:
    """Render the wallet, with the form of a top-up if a payment method is available."""
    account_id = page.account_id
    async with database.transaction() as session:
        currency = await get_account_currency(session, account_id)
        profile = await get_profile(session, account_id)
        grants = await list_grant_balances(session, account_id)
        orders = await list_orders(session, account_id, _SHOWN_ORDERS)
        automatic = await find_auto_top_up(session, account_id)
    return page.render(
        "wallet.html",
        status=status,
        currency=currency,
        balance=sum(one.minor for one in grants),
        grants=grants,
        orders=orders,
        methods=[info.name for info in checkout.providers.infos_for(currency)],
        limits=TopUpLimits.from_settings(settings, currency),
        automatic=automatic,
        can_save=settings.stripe_secret_key is not None,
        may=page.viewer.has_permission(Permission.PAY),
        zone=parse_time_zone(profile.time_zone),
        form=form,
    )


async def _render_order(
    page: PageRequest, database: Database, order: str, template: str
) -> Response[str]:
    """Render the page of an order or its part. Raises PaymentOrderNotFound."""
    order_id, account_id = parse_payment_order_id(order), page.account_id
    async with database.transaction() as session:
        found = await get_order(session, account_id, order_id)
        profile = await get_profile(session, account_id)
        refunds = await list_refunds(session, account_id, [order_id])
    size, path_of_dark = qr_svg_path(found.code) if found.code else (0, "")
    invoice_id = found.invoice_id
    return page.render(
        template,
        order=found,
        name=order,
        refunds=refunds,
        invoice=None if invoice_id is None else ids.format_id(INVOICE_ID_PREFIX, invoice_id),
        may=page.viewer.has_permission(Permission.PAY),
        zone=parse_time_zone(profile.time_zone),
        size=size,
        path_of_dark=path_of_dark,
    )


def _order_url(order: PaymentOrder) -> str:
    """Return the URL of an order's page."""
    return f"{_ORDERS_URL}/{ids.format_id(PAYMENT_ORDER_PREFIX, order.id)}"


def _parse_key(text: str) -> str:
    """Parse the form's idempotency key. Raises PageNotFound if the form is not genuine."""
    try:
        return UUID(hex=text).hex
    except ValueError as error:
        raise PageNotFound("Unknown form.") from error
