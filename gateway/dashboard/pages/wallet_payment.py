"""Payment of an invoice from the wallet: whole or in part, from the invoice's page."""

from typing import Any
from uuid import UUID

from litestar import Controller, Request, Response, post
from litestar.di import NamedDependency

from billing.invoices.lifecycle import INVOICE_ID_PREFIX, InvalidInvoiceState
from billing.invoices.payments import PaymentConflict, PaymentInvalid
from billing.invoices.wallet_payments import WalletInsufficient
from gateway.dashboard.errors import PageNotFound
from gateway.dashboard.forms import read_form_fields
from gateway.dashboard.page_request import PageRequest
from gateway.identity.roles import Permission
from gateway.operations.wallet_payments import WalletPayment, pay_from_own_wallet
from infra import ids
from infra.clock import Clock
from infra.database.database import Database

# What went wrong, for the notice on the invoice's page.
_REFUSALS = {
    PaymentInvalid: "amount-invalid",
    PaymentConflict: "amount-invalid",
    WalletInsufficient: "wallet-insufficient",
    InvalidInvoiceState: "not-open",
}


class WalletPaymentPages(Controller):
    """Handlers of `/dashboard/wallet/pay`."""

    path = "/wallet/pay"

    @post("/", permission=Permission.PAY)
    async def pay_invoice(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        request: Request[Any, Any, Any],
    ) -> Response[Any]:
        """Pay an invoice from the wallet and return to its page."""
        fields = await read_form_fields(request)
        invoice_id = _parse_invoice(fields.get("invoice", ""))
        payment = WalletPayment(
            page.account_id, invoice_id, fields.get("key", ""), fields.get("amount", "")
        )
        try:
            async with database.transaction() as session:
                await pay_from_own_wallet(session, clock, page.actor, payment)
        except tuple(_REFUSALS) as error:
            return page.redirect(f"{_address(invoice_id)}?wallet={_REFUSALS[type(error)]}")
        return page.redirect(f"{_address(invoice_id)}?wallet=paid")


def _parse_invoice(text: str) -> UUID:
    """Parse the public id of an invoice. Raises PageNotFound if it is malformed."""
    invoice_id = ids.parse_id(INVOICE_ID_PREFIX, text)
    if invoice_id is None:
        raise PageNotFound("The account has no such invoice.")
    return invoice_id


def _address(invoice_id: UUID) -> str:
    """Return the address of an invoice's page."""
    return f"/dashboard/invoices/{ids.format_id(INVOICE_ID_PREFIX, invoice_id)}"
