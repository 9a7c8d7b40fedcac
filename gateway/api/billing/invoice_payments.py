"""`/v1/invoices/{invoice}/pay`: pay an open invoice from the wallet, whole or in part."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import msgspec
from litestar import Controller, Request, Response, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from billing.invoices.lifecycle import INVOICE_ID_PREFIX, InvoiceNotFound
from gateway.api.actors import key_actor
from gateway.api.idempotency import IdempotencyKey, idempotent_response
from gateway.call.values import Principal
from gateway.operations.wallet_payments import WalletPayment, pay_from_own_wallet
from gateway.wire.body import decode_body_strict
from infra import ids
from infra.clock import Clock
from infra.database.database import Database


class WalletPaymentRequest(msgspec.Struct):
    """A payment from the wallet; a repeated `reference` of the invoice pays nothing.

    `amount` is a decimal string with tax; without it, all that is owed is paid.
    """

    reference: str
    amount: str | None = None


_DECODER = msgspec.json.Decoder(WalletPaymentRequest)
BODIES: Mapping[str, type[msgspec.Struct]] = {"/v1/invoices/{invoice}/pay": WalletPaymentRequest}


class InvoicePaymentRoutes(Controller):
    """Payments of invoices from the wallet."""

    path = "/v1/invoices/{invoice:str}/pay"

    @post("/", status_code=200, summary="Pay an invoice from the wallet, whole or in part")
    async def pay(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        request: Request[Any, Any, Any],
        invoice: FromPath[str],
        idempotency_key: IdempotencyKey = None,
    ) -> Response[bytes]:
        """Pay the invoice and return what is still owed and the balance of the wallet."""
        wanted = decode_body_strict(_DECODER, await request.body())
        invoice_id = ids.parse_id(INVOICE_ID_PREFIX, invoice)
        if invoice_id is None:
            raise InvoiceNotFound("The account has no such invoice.", param="invoice")
        payment = WalletPayment(
            principal.account_id, invoice_id, wanted.reference, wanted.amount or ""
        )
        actor = key_actor(principal, request)
        pay = partial(pay_from_own_wallet, clock=clock, actor=actor, payment=payment)
        return await idempotent_response(database, principal, request, idempotency_key, pay)
