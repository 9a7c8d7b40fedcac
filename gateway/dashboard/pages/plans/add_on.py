"""The page that shows what a change of an add-on costs, and applies it.

A change is applied only if its cost has not changed since it was shown.
"""

from dataclasses import dataclass
from typing import Any

from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromQuery
from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.profiles import get_account_currency, get_profile, lock_profile
from billing.dates import parse_time_zone
from billing.plan_changes.add_on_changes import (
    AddOnNotFound,
    AddOnPreview,
    AddOnQuantityInvalid,
    preview_add_on,
    set_add_on,
)
from billing.subscriptions.add_ons import list_active_add_ons
from billing.subscriptions.subscriptions import NotSubscribed, SubscriptionState
from gateway.dashboard.forms import EMPTY_FORM, FormState, read_form_fields
from gateway.dashboard.page_request import UNPROCESSABLE, PageRequest
from gateway.identity.audit_log import record_audit_event
from gateway.identity.roles import Permission
from infra.clock import Clock
from infra.database.database import Database
from infra.translations import gettext_noop

_PLAN_URL, _URL = "/dashboard/plan", "/dashboard/plan/add-on"
_REFUSED = (AddOnNotFound, AddOnQuantityInvalid, NotSubscribed)
_MAX_DIGITS = 6


@dataclass(frozen=True, slots=True)
class OwnAddOn:
    """An add-on that the plan offers, and how many of it the account has."""

    name: str
    names: dict[str, str]
    fee: int
    max_quantity: int
    allowances: tuple[Any, ...]
    quantity: int


class AddOnPages(Controller):
    """Handlers of `/dashboard/plan/add-on`."""

    path = "/plan/add-on"

    @get("/", name="dashboard:add-on", permission=Permission.PLAN)
    async def show_change(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        add_on: FromQuery[str] = "",
        quantity: FromQuery[str] = "",
    ) -> Response[Any]:
        """Show the cost of a change of an add-on."""
        return await _render(page, database, clock, add_on, quantity, EMPTY_FORM)

    @post("/", permission=Permission.PLAN)
    async def change_add_on(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        request: Request[Any, Any, Any],
    ) -> Response[Any]:
        """Change an add-on. Shows the cost again if it changed, e.g. at midnight."""
        fields, account_id = await read_form_fields(request), page.account_id
        name, text = fields.get("add_on", ""), fields.get("quantity", "")
        async with database.transaction() as session:
            await lock_profile(session, account_id)
            try:
                preview = await _preview(session, clock, page, name, text)
            except _REFUSED:
                return page.redirect(f"{_PLAN_URL}?done=add-on-refused")
            if _seen(preview) == fields.get("seen"):
                await set_add_on(session, clock, account_id, name, preview.quantity)
                details = {"quantity": preview.quantity}
                await record_audit_event(
                    session, clock, page.actor, account_id, "plan.add_on_changed", name, details
                )
                return page.redirect(f"{_PLAN_URL}?done=add-on")
        message = page.translate(
            gettext_noop(
                "The amount has changed since this page was loaded. Review it and confirm again."
            )
        )
        return await _render(page, database, clock, name, text, FormState(error=message))


async def list_own_add_ons(
    session: AsyncSession, page: PageRequest, clock: Clock, standing: SubscriptionState | None
) -> list[OwnAddOn]:
    """Return the add-ons that the account's plan offers, with how many the account has."""
    if standing is None:
        return []
    rows = await list_active_add_ons(session, page.account_id, clock.now())
    has = {row.name: row.quantity for row in rows}
    return [
        OwnAddOn(
            one.name,
            dict(one.names),
            one.fee,
            one.max_quantity,
            one.allowances,
            has.get(one.name, 0),
        )
        for one in standing.terms.add_ons
    ]


async def _preview(
    session: AsyncSession, clock: Clock, page: PageRequest, name: str, quantity: str
) -> AddOnPreview:
    """Return what a change costs. Raises AddOnNotFound, AddOnQuantityInvalid, NotSubscribed."""
    text = quantity.strip()
    if not (text.isascii() and text.isdecimal() and len(text) <= _MAX_DIGITS):
        raise AddOnQuantityInvalid("Enter a whole number.", param="quantity")
    return await preview_add_on(session, clock, page.account_id, name, int(text))


async def _render(
    page: PageRequest,
    database: Database,
    clock: Clock,
    name: str,
    quantity: str,
    form: FormState,
) -> Response[Any]:
    """Render the confirmation page, or return to the plan if the change is not possible."""
    async with database.transaction() as session:
        profile = await get_profile(session, page.account_id)
        try:
            preview = await _preview(session, clock, page, name, quantity)
        except _REFUSED:
            return page.redirect(f"{_PLAN_URL}?done=add-on-refused")
        currency = await get_account_currency(session, page.account_id)
    return page.render(
        "add_on.html",
        status=UNPROCESSABLE if form.error else 200,
        preview=preview,
        seen=_seen(preview),
        currency=currency,
        form=form,
        zone=parse_time_zone(profile.time_zone),
        action=_URL,
    )


def _seen(preview: AddOnPreview) -> str:
    """Return the shown change and total; the form returns them, to detect that they changed."""
    return f"{preview.before} {preview.quantity} {preview.total}"
