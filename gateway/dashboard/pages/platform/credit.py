"""The operator's page of credit: policies, exposure of the whole book, assignments, overrides."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from typing import Any

from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency
from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.accounts import AccountNotFound, get_account
from billing.credit.errors import (
    CreditPolicyMissing,
    CreditPolicyNotFound,
    ExposureLimitInvalid,
    OverrideInvalid,
)
from billing.credit.exposure import load_book, load_scopes
from billing.credit.policies import list_policy_versions
from billing.money import minor_from_text
from billing.tables import Account
from gateway.dashboard.forms import FormState, read_form_fields, restored_form, with_errors
from gateway.dashboard.page_request import UNPROCESSABLE, PageRequest
from gateway.dashboard.pages.platform.common import platform_zone
from gateway.dashboard.preserved_input import PreservedFields
from gateway.identity.roles import Permission
from gateway.operations.accounts import AccountChange, ReasonMissing, validate_reason
from gateway.operations.credit import (
    assign_credit_policy,
    change_exposure_limit,
    override_credit_limit,
)
from infra.clock import Clock
from infra.database.database import Database
from infra.error_collection import SeveralErrors, attempt, collect
from infra.errors import AppError

_URL = "/dashboard/platform/credit"
_MAX_ROWS = 50
# A currency with the most decimal places, to check an amount before its account is known.
_LARGEST_UNIT = "CLF"
_ERRORS = (
    AccountNotFound,
    CreditPolicyMissing,
    CreditPolicyNotFound,
    ExposureLimitInvalid,
    OverrideInvalid,
    ReasonMissing,
    SeveralErrors,
)
_OVERRIDE = ("account", "limit", "until", "reason")
_ASSIGNMENT = ("assigned_account", "policy", "assignment_reason")
_EXPOSURE = ("scope", "subject", "currency", "exposure_limit")
_FIELDS = (*_OVERRIDE, *_ASSIGNMENT, *_EXPOSURE)
_Change = Callable[[AsyncSession, Clock, PageRequest, Mapping[str, str]], Awaitable[None]]


class PlatformCreditPages(Controller):
    """Handlers of `/dashboard/platform/credit`."""

    path = "/platform/credit"

    @get("/", name="platform:credit", permission=Permission.WATCH)
    async def show_credit(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
    ) -> Response[str]:
        """Show policies and exposure."""
        return await _render(page, database, clock, restored_form(page), 200)

    @post("/override", permission=Permission.OPERATE, keeps=PreservedFields(_URL, _OVERRIDE))
    async def override(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        request: Request[Any, Any, Any],
    ) -> Response[Any]:
        """Override an account's limit until a day."""
        return await _change(page, database, clock, request, _override)

    @post("/assign", permission=Permission.OPERATE, keeps=PreservedFields(_URL, _ASSIGNMENT))
    async def assign(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        request: Request[Any, Any, Any],
    ) -> Response[Any]:
        """Assign a policy to an account."""
        return await _change(page, database, clock, request, _assign)

    @post("/exposure", permission=Permission.OPERATE, keeps=PreservedFields(_URL, _EXPOSURE))
    async def limit_exposure(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        request: Request[Any, Any, Any],
    ) -> Response[Any]:
        """Set or remove an exposure limit."""
        return await _change(page, database, clock, request, _limit_exposure)


async def _change(
    page: PageRequest,
    database: Database,
    clock: Clock,
    request: Request[Any, Any, Any],
    change: _Change,
) -> Response[Any]:
    """Apply a change from a form, and show the page again."""
    fields = {**dict.fromkeys(_FIELDS, ""), **await read_form_fields(request)}
    try:
        async with database.transaction() as session:
            await change(session, clock, page, fields)
    except _ERRORS as error:
        form = with_errors(page, fields, error)
        return await _render(page, database, clock, form, UNPROCESSABLE)
    return page.redirect(_URL)


async def _override(
    session: AsyncSession, clock: Clock, page: PageRequest, fields: Mapping[str, str]
) -> None:
    """Override a limit until the end of a day in the platform's time zone."""
    find = await attempt(_get_account(session, fields["account"], "account"))
    read = partial(_parse_amount, fields["limit"], error_type=OverrideInvalid, field="limit")
    account, _, until, reason = collect(
        find,
        lambda: read(_LARGEST_UNIT),
        lambda: _parse_day(fields["until"]),
        lambda: validate_reason(fields["reason"]),
    )
    change = AccountChange(page.actor, account.id, reason)
    await override_credit_limit(session, clock, change, read(account.currency), until)


async def _assign(
    session: AsyncSession, clock: Clock, page: PageRequest, fields: Mapping[str, str]
) -> None:
    """Assign a policy, or with an empty name the plan's."""
    find = await attempt(_get_account(session, fields["assigned_account"], "assigned_account"))
    account, reason = collect(find, lambda: _read_reason(fields["assignment_reason"]))
    change = AccountChange(page.actor, account.id, reason)
    await assign_credit_policy(session, clock, change, fields["policy"].strip() or None)


async def _limit_exposure(
    session: AsyncSession, clock: Clock, page: PageRequest, fields: Mapping[str, str]
) -> None:
    """Set an exposure limit, or with an empty amount remove it."""
    currency, text = fields["currency"].strip(), fields["exposure_limit"].strip()
    name = "exposure_limit"
    minor = _parse_amount(text, currency, ExposureLimitInvalid, name) if text else None
    place = (fields["scope"], fields["subject"].strip(), currency)
    await change_exposure_limit(session, clock, page.actor, *place, minor)


async def _get_account(session: AsyncSession, text: str, field: str) -> Account:
    """Return the account that a field names. Raises AccountNotFound."""
    try:
        return await get_account(session, text.strip())
    except AccountNotFound as error:
        error.param = field
        raise


def _read_reason(text: str) -> str:
    """Return the reason of an assignment. Raises ReasonMissing with the field of that form."""
    try:
        return validate_reason(text)
    except ReasonMissing as error:
        error.param = "assignment_reason"
        raise


def _parse_amount(text: str, currency: str, error_type: type[AppError], field: str) -> int:
    """Parse an amount in minor units. Raises `error_type`."""
    try:
        return minor_from_text(text.strip(), currency)
    except ValueError as error:
        raise error_type(f"The limit is not an amount: {error}.", param=field) from None


def _parse_day(text: str) -> datetime:
    """Return the end of a day in the platform's time zone. Raises OverrideInvalid."""
    try:
        day = date.fromisoformat(text.strip())
    except ValueError:
        raise OverrideInvalid("Enter a date such as 2027-01-31.", param="until") from None
    return datetime.combine(day + timedelta(days=1), time(), platform_zone()).astimezone(UTC)


async def _render(
    page: PageRequest, database: Database, clock: Clock, form: FormState, status: int
) -> Response[str]:
    """Render the page."""
    now = clock.now()
    async with database.transaction() as session:
        policies = await list_policy_versions(session)
        scopes = await load_scopes(session, now)
        currencies = sorted({one.currency for one in scopes})
        books = [
            (currency, (await load_book(session, currency, now))[:_MAX_ROWS])
            for currency in currencies
        ]
    return page.render(
        "platform/credit.html",
        status=status,
        policies=policies,
        scopes=scopes,
        books=books,
        form=form,
        operates=page.viewer.has_permission(Permission.OPERATE),
        zone=platform_zone(),
    )
