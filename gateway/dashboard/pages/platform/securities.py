"""The operator's page of an account's securities: deposit movements and guarantees."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.accounts import ACCOUNT_ID_PREFIX, get_account
from billing.credit.deposits import deposit_balance, list_deposit_movements
from billing.credit.errors import (
    DepositConflict,
    DepositInvalid,
    DepositTooSmall,
    GuaranteeInvalid,
)
from billing.credit.guarantees import GUARANTEE_ID_PREFIX, guarantee_state, list_guarantees
from billing.dates import parse_time_zone
from billing.invoice_documents.invoice_list import find_invoice
from billing.invoices.lifecycle import InvalidInvoiceState, InvoiceNotFound
from billing.reports.customers import get_customer
from billing.tables import Account
from gateway.dashboard.forms import FormState, read_form_fields, restored_form, with_errors
from gateway.dashboard.page_request import UNPROCESSABLE, PageRequest
from gateway.dashboard.pages.platform.common import account_url, parse_id_or_404, platform_zone
from gateway.dashboard.preserved_input import PreservedFields
from gateway.identity.roles import Permission
from gateway.operations.accounts import AccountChange, ReasonMissing, validate_reason
from gateway.operations.credit import (
    record_deposit,
    record_guarantee,
    refund_deposit,
    use_deposit,
    withdraw_guarantee,
)
from gateway.operations.parsing import parse_minor
from infra.clock import Clock
from infra.database.database import Database
from infra.error_collection import SeveralErrors, collect, errors_of
from infra.errors import AppError

_URL = "/dashboard/platform/accounts/{account}/securities"
_DEPOSIT = ("kind", "amount", "invoice", "reference", "reason")
# Fields of the guarantee form; the names of errors have no prefix.
_PREFIX = "guarantee_"
_GUARANTEE = tuple(
    f"{_PREFIX}{name}" for name in ("guarantor", "amount", "valid_until", "reference", "reason")
)
_RECEIVED, _RETURNED, _APPLIED = "received", "returned", "applied"
_MAX_INVOICES = 100
KINDS = (_RECEIVED, _RETURNED, _APPLIED)
_ERRORS = (
    DepositConflict,
    DepositInvalid,
    DepositTooSmall,
    GuaranteeInvalid,
    InvalidInvoiceState,
    InvoiceNotFound,
    ReasonMissing,
    SeveralErrors,
)
_Fields = Mapping[str, str]
_Change = Callable[[AsyncSession, Clock, PageRequest, Account, _Fields], Awaitable[None]]


class SecuritiesPages(Controller):
    """Handlers of `/dashboard/platform/accounts/{account}/securities`."""

    path = "/platform/accounts/{account:str}/securities"
    opt = {"permission": Permission.OPERATE}  # noqa: RUF012  # declared by Litestar

    @get("/", name="platform:securities")
    async def show_securities(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        account: FromPath[str],
    ) -> Response[str]:
        """Show the deposit and the guarantees, with forms to record them."""
        return await _render(page, database, clock, account, restored_form(page), 200)

    @post("/deposit", keeps=PreservedFields(_URL, _DEPOSIT))
    async def record_movement(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        account: FromPath[str],
        request: Request[Any, Any, Any],
    ) -> Response[Any]:
        """Record a deposit that was received or returned, or apply it to an invoice."""
        fields = {**dict.fromkeys(_DEPOSIT, ""), **await read_form_fields(request)}
        return await _change(page, database, clock, account, fields, _move_deposit)

    @post("/guarantees", keeps=PreservedFields(_URL, _GUARANTEE))
    async def record_guarantee(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        account: FromPath[str],
        request: Request[Any, Any, Any],
    ) -> Response[Any]:
        """Record a guarantee."""
        fields = {**dict.fromkeys(_GUARANTEE, ""), **await read_form_fields(request)}
        return await _change(page, database, clock, account, fields, _add_guarantee)

    @post("/guarantees/{guarantee:str}/end")
    async def end_guarantee(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        account: FromPath[str],
        guarantee: FromPath[str],
        request: Request[Any, Any, Any],
    ) -> Response[Any]:
        """End a guarantee now."""
        parse_id_or_404(GUARANTEE_ID_PREFIX, guarantee)
        fields = {"reason": "", **await read_form_fields(request)}

        async def end(
            session: AsyncSession, clock: Clock, page: PageRequest, owner: Account, given: _Fields
        ) -> None:
            """End the guarantee."""
            try:
                change = AccountChange(page.actor, owner.id, given["reason"])
            except ReasonMissing as error:
                error.param = None  # the page has fields of this name in other forms
                raise
            await withdraw_guarantee(session, clock, change, guarantee)

        return await _change(page, database, clock, account, fields, end)


async def _change(
    page: PageRequest,
    database: Database,
    clock: Clock,
    account: str,
    fields: dict[str, str],
    change: _Change,
) -> Response[Any]:
    """Apply a change from a form, and show the page again."""
    account_id = parse_id_or_404(ACCOUNT_ID_PREFIX, account)
    try:
        async with database.transaction() as session:
            await change(session, clock, page, await get_account(session, account), fields)
    except _ERRORS as error:
        form = with_errors(page, fields, error)
        return await _render(page, database, clock, account, form, UNPROCESSABLE)
    return page.redirect(f"{account_url(account_id)}/securities")


async def _move_deposit(
    session: AsyncSession, clock: Clock, page: PageRequest, owner: Account, fields: _Fields
) -> None:
    """Record the movement that the deposit form asks for."""
    kind, text, reference = fields["kind"], fields["amount"].strip(), fields["reference"].strip()
    if kind not in KINDS:
        raise DepositInvalid("Choose a kind of movement.", param="kind")
    amount, reason = collect(
        lambda: _amount(text, owner.currency, DepositInvalid) if text else None,
        lambda: validate_reason(fields["reason"]),
    )
    change = AccountChange(page.actor, owner.id, reason)
    if kind == _APPLIED:
        invoice = await find_invoice(session, owner.id, fields["invoice"].strip())
        await use_deposit(session, clock, change, invoice.id, reference, amount)
        return
    if amount is None:
        raise DepositInvalid("Enter an amount.", param="amount")
    move = record_deposit if kind == _RECEIVED else refund_deposit
    await move(session, clock, change, amount, reference)


async def _add_guarantee(
    session: AsyncSession, clock: Clock, page: PageRequest, owner: Account, fields: _Fields
) -> None:
    """Record the guarantee of the form. Errors name its fields."""
    given = {name.removeprefix(_PREFIX): text.strip() for name, text in fields.items()}
    try:
        amount, until, reason = collect(
            lambda: _amount(given["amount"], owner.currency, GuaranteeInvalid),
            lambda: _end_of_day(given["valid_until"]),
            lambda: validate_reason(given["reason"]),
        )
        change = AccountChange(page.actor, owner.id, reason)
        place = (session, clock, change, given["guarantor"], amount, until, given["reference"])
        await record_guarantee(*place)
    except AppError as error:
        for one in errors_of(error):
            one.param = f"{_PREFIX}{one.param}" if one.param else None
        raise


def _amount(text: str, currency: str, error_type: type[AppError]) -> int:
    """Parse an amount in minor units. Raises `error_type`."""
    return parse_minor(text.strip(), currency, error_type)


def _end_of_day(text: str) -> datetime:
    """Return the end of a day in the platform's time zone. Raises GuaranteeInvalid."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise GuaranteeInvalid("Enter a date such as 2027-01-31.", param="valid_until") from None
    return datetime.combine(day + timedelta(days=1), time(), platform_zone()).astimezone(UTC)


async def _render(
    page: PageRequest,
    database: Database,
    clock: Clock,
    account: str,
    form: FormState,
    status: int,
) -> Response[str]:
    """Render the page."""
    account_id, now = parse_id_or_404(ACCOUNT_ID_PREFIX, account), clock.now()
    async with database.transaction() as session:
        customer = await get_customer(session, account_id, now, _MAX_INVOICES)
        balance = await deposit_balance(session, account_id)
        movements = await list_deposit_movements(session, account_id)
        guarantees = await list_guarantees(session, account_id)
    currency = customer.account.currency
    overdue = [
        (row.number, f"{row.number} · {page.formatter.money(row.owed, currency)}")
        for row in customer.invoices
        if row.owed and row.number and row.invoice.due_at is not None and row.invoice.due_at < now
    ]
    return page.render(
        "platform/securities.html",
        status=status,
        customer=customer,
        balance=balance,
        movements=movements,
        guarantees=[(row, guarantee_state(row, now)) for row in guarantees],
        overdue=overdue,
        kinds=KINDS if overdue else KINDS[:-1],
        address=account_url(account_id),
        form=form,
        zone=parse_time_zone(customer.profile.time_zone),
    )
