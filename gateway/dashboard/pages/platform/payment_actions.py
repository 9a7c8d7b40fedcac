"""The operator's forms to refund a payment order and to resolve a payment discrepancy."""

from typing import Any

from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from sqlalchemy.ext.asyncio import AsyncSession

from billing.collection.payments.discrepancies import (
    DISCREPANCY_PREFIX,
    DiscrepancyStateWrong,
    resolve_discrepancy,
)
from billing.collection.payments.orders import PAYMENT_ORDER_PREFIX
from billing.collection.payments.refunds import (
    NewRefund,
    RefundConflict,
    RefundInvalid,
    create_refund,
    list_refunds,
)
from billing.money import minor_from_text
from billing.tables import PaymentDiscrepancy, PaymentOrder
from gateway.dashboard.errors import PageNotFound
from gateway.dashboard.forms import FormState, read_form_fields, restored_form, with_errors
from gateway.dashboard.page_request import UNPROCESSABLE, PageRequest
from gateway.dashboard.pages.platform.common import parse_id_or_404
from gateway.identity.audit_log import record_audit_event
from gateway.identity.roles import Permission
from gateway.operations.accounts import ReasonMissing, validate_reason
from infra import ids
from infra.clock import Clock
from infra.database.database import Database

_URL = "/dashboard/platform/payments"


class PlatformPaymentPages(Controller):
    """Handlers below `/dashboard/platform/payments` that change payments."""

    path = "/platform/payments"

    @get("/{order:str}/refund", name="platform:payment-refund", permission=Permission.OPERATE)
    async def show_refund(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        order: FromPath[str],
    ) -> Response[str]:
        """Show the form to refund a payment in full or in part."""
        # The key names the refund, so that sending the form twice refunds once.
        form = restored_form(page, {"key": ids.new_id().hex})
        return await _render_refund(page, database, order, form)

    @post("/{order:str}/refund", permission=Permission.OPERATE)
    async def refund(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        order: FromPath[str],
        request: Request[Any, Any, Any],
    ) -> Response[Any]:
        """Refund a part of a payment; a job sends it to the provider."""
        fields = {"amount": "", "reason": "", "key": "", **await read_form_fields(request)}
        try:
            reason = validate_reason(fields["reason"])
            async with database.transaction() as session:
                found = await _find_order(session, order)
                minor = _parse_amount(fields["amount"], found.currency)
                new = NewRefund(minor, reason, f"page:{fields['key'][:64]}")
                await create_refund(session, clock, found.account_id, found.id, new)
                details = {"amount": fields["amount"], "reason": reason}
                await record_audit_event(
                    session, clock, page.actor, found.account_id, "payment.refunded", order, details
                )
        except (ReasonMissing, RefundInvalid, RefundConflict) as error:
            form = with_errors(page, fields, error)
            return await _render_refund(page, database, order, form, UNPROCESSABLE)
        return page.redirect(_URL)

    @get(
        "/discrepancies/{discrepancy:str}",
        name="platform:payment-discrepancy",
        permission=Permission.OPERATE,
    )
    async def show_discrepancy(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        discrepancy: FromPath[str],
    ) -> Response[str]:
        """Show the form to resolve a discrepancy."""
        return await _render_discrepancy(page, database, discrepancy, restored_form(page))

    @post("/discrepancies/{discrepancy:str}", permission=Permission.OPERATE)
    async def resolve(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        discrepancy: FromPath[str],
        request: Request[Any, Any, Any],
    ) -> Response[Any]:
        """Resolve a discrepancy, with `credit` by adding what was received to the wallet."""
        fields = {"reason": "", **await read_form_fields(request)}
        discrepancy_id = parse_id_or_404(DISCREPANCY_PREFIX, discrepancy)
        try:
            reason = validate_reason(fields["reason"])
            async with database.transaction() as session:
                await _find_discrepancy(session, discrepancy)
                found = await resolve_discrepancy(
                    session, clock, discrepancy_id, reason, credit="credit" in fields
                )
                what = (found.account_id, "payment.resolved", discrepancy, {"reason": reason})
                await record_audit_event(session, clock, page.actor, *what)
        except (ReasonMissing, DiscrepancyStateWrong) as error:
            form = with_errors(page, fields, error)
            return await _render_discrepancy(page, database, discrepancy, form, UNPROCESSABLE)
        return page.redirect(_URL)


def _parse_amount(text: str, currency: str) -> int:
    """Parse an amount to minor units. Raises RefundInvalid."""
    try:
        return minor_from_text(text.strip(), currency)
    except ValueError as error:
        raise RefundInvalid("The amount must be a decimal number.", param="amount") from error


async def _find_order(session: AsyncSession, order: str) -> PaymentOrder:
    """Return an order of any account by its public id. Raises PageNotFound."""
    found = await session.get(PaymentOrder, parse_id_or_404(PAYMENT_ORDER_PREFIX, order))
    if found is None:
        raise PageNotFound("No record has this ID.")
    return found


async def _find_discrepancy(session: AsyncSession, discrepancy: str) -> PaymentDiscrepancy:
    """Return a discrepancy of any account by its public id. Raises PageNotFound."""
    found = await session.get(PaymentDiscrepancy, parse_id_or_404(DISCREPANCY_PREFIX, discrepancy))
    if found is None:
        raise PageNotFound("No record has this ID.")
    return found


async def _render_refund(
    page: PageRequest, database: Database, order: str, form: FormState, status: int = 200
) -> Response[str]:
    """Render the form to refund a payment."""
    async with database.transaction() as session:
        found = await _find_order(session, order)
        refunds = await list_refunds(session, found.account_id, [found.id])
    return page.render(
        "platform/payment_refund.html",
        status=status,
        order=found,
        refunds=refunds,
        action=f"{_URL}/{order}/refund",
        form=form,
    )


async def _render_discrepancy(
    page: PageRequest, database: Database, discrepancy: str, form: FormState, status: int = 200
) -> Response[str]:
    """Render the form to resolve a discrepancy."""
    async with database.transaction() as session:
        found = await _find_discrepancy(session, discrepancy)
    return page.render(
        "platform/payment_discrepancy.html",
        status=status,
        one=found,
        action=f"{_URL}/discrepancies/{discrepancy}",
        form=form,
    )
