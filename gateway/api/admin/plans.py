"""`/v1/admin/plans` and `/v1/admin/accounts/{account}/subscription`."""

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

import msgspec
from litestar import Controller, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery
from sqlalchemy.ext.asyncio import AsyncSession

from billing.plan_changes.add_on_views import add_on_change_json
from billing.plan_changes.plan_changes import PlanChange
from billing.plan_changes.views import plan_json
from billing.reports.plan_sales import list_plan_sales
from billing.subscriptions.pauses import ResumptionTimeInvalid
from billing.subscriptions.plans import find_plan_version, load_terms
from billing.subscriptions.subscriptions import find_subscription
from billing.tables import Account
from gateway.access.admin_scopes import AdminScope
from gateway.api.admin.context import AdminRequest
from gateway.operations.parsing import parse_instant
from gateway.operations.plan_publication import preview_publication, publication_json
from gateway.operations.plans import (
    account_subscription,
    cancel_account_plan,
    pause_account_plan,
    plan_change_result,
    publish_terms,
    read_plan_file,
    resume_account_plan,
    set_account_add_on,
    switch_account_plan,
)
from models.catalog import Catalog


class PlanFile(msgspec.Struct):
    """A plan file (TOML). `listed` is whether customers can take the plan themselves.

    Without `listed` that stays as it is; a new plan is listed.
    """

    file: str
    listed: bool | None = None


class PlanChoice(msgspec.Struct):
    """A plan in the account's currency; `version` is its number, by default the newest."""

    plan: str
    version: int | None = None


class SubscriptionPause(msgspec.Struct):
    """`until` is the ISO 8601 time at which the plan continues by itself; null: on request."""

    until: str | None = None


class SubscriptionCancellation(msgspec.Struct):
    """`now: true` ends the subscription at once, without a refund."""

    now: bool = False


class AddOnChoice(msgspec.Struct):
    """How many of an add-on of the plan the account has from now on; 0 removes it."""

    add_on: str
    quantity: int


_PLANS, _SUBSCRIPTION = "/v1/admin/plans", "/v1/admin/accounts/{account}/subscription"
BODIES: Mapping[str, type[msgspec.Struct]] = {
    _PLANS: PlanFile,
    f"{_PLANS}/preview": PlanFile,
    _SUBSCRIPTION: PlanChoice,
    f"{_SUBSCRIPTION}/cancel": SubscriptionCancellation,
    f"{_SUBSCRIPTION}/pause": SubscriptionPause,
    f"{_SUBSCRIPTION}/add_ons": AddOnChoice,
}
_FILE = msgspec.json.Decoder(PlanFile)
_CHOICE = msgspec.json.Decoder(PlanChoice)
_ADD_ON = msgspec.json.Decoder(AddOnChoice)
_CANCELLATION = msgspec.json.Decoder(SubscriptionCancellation)
_PAUSE = msgspec.json.Decoder(SubscriptionPause)
_Apply = Callable[[AsyncSession, Account], Awaitable[PlanChange]]


class AdminPlanRoutes(Controller):
    """Published plans with their prices."""

    path = "/plans"

    @get("/", summary="List all versions of all plans", admin_scope=AdminScope.ACCOUNTS_READ)
    async def plans(self, admin: NamedDependency[AdminRequest]) -> dict[str, Any]:
        """Return each version with its terms and number of subscribed accounts."""
        now = admin.clock.now()
        sales = await admin.read(lambda session: list_plan_sales(session, now))
        data = [
            {**plan_json(one.version, one.terms), "offered": one.offered, "accounts": one.accounts}
            for one in sales
        ]
        return {"object": "list", "data": data, "has_more": False}

    @get("/{plan:str}", summary="Retrieve a plan", admin_scope=AdminScope.ACCOUNTS_READ)
    async def plan(
        self,
        admin: NamedDependency[AdminRequest],
        plan: FromPath[str],
        currency: FromQuery[str | None] = None,
        version: FromQuery[int | None] = None,
    ) -> dict[str, Any]:
        """Return a version of a plan, by default the newest in the platform's currency."""
        code = (currency or admin.settings.currency).upper()

        async def load(session: AsyncSession) -> dict[str, Any]:
            """Return the version as JSON."""
            found = await find_plan_version(session, plan, code, version)
            return plan_json(found, (await load_terms(session, [found.id]))[found.id])

        return await admin.read(load)

    @post(
        "/preview",
        status_code=200,
        summary="Validate a plan file; show what publishing it changes and who has the plan",
        admin_scope=AdminScope.PLANS_WRITE,
    )
    async def preview(
        self, admin: NamedDependency[AdminRequest], catalog: NamedDependency[Catalog]
    ) -> dict[str, Any]:
        """Return the terms and the subscribed accounts, which keep their version."""
        terms, now = read_plan_file(admin.decode(_FILE).file, catalog), admin.clock.now()
        return publication_json(
            await admin.read(lambda session: preview_publication(session, now, terms))
        )

    @post(
        "/",
        status_code=200,
        summary="Publish a plan file as the next version of the plan",
        admin_scope=AdminScope.PLANS_WRITE,
    )
    async def publish(
        self, admin_change: NamedDependency[AdminRequest], catalog: NamedDependency[Catalog]
    ) -> Response[bytes]:
        """Publish a plan; equal terms create no version."""
        body = admin_change.decode(_FILE)
        terms = read_plan_file(body.file, catalog)

        async def apply(session: AsyncSession) -> dict[str, Any]:
            """Publish the terms and return the version."""
            place = (session, admin_change.clock, admin_change.actor)
            return plan_json(await publish_terms(*place, terms, body.listed), terms)

        return await admin_change.change(apply)


class AdminSubscriptionRoutes(Controller):
    """The plan of an account."""

    path = "/accounts/{account:str}/subscription"

    @get(
        "/",
        summary="Retrieve the subscription of an account",
        admin_scope=AdminScope.ACCOUNTS_READ,
    )
    async def subscription(
        self, admin: NamedDependency[AdminRequest], account: FromPath[str]
    ) -> dict[str, Any]:
        """Return the subscription and scheduled changes."""
        return await admin.read_account(
            account, lambda session, owner: account_subscription(session, admin.clock, owner)
        )

    @post(
        "/",
        status_code=200,
        summary="Subscribe an account to a plan, or change its plan",
        admin_scope=AdminScope.PLANS_WRITE,
    )
    async def choose(
        self, admin_change: NamedDependency[AdminRequest], account: FromPath[str]
    ) -> Response[bytes]:
        """Start or change the subscription; a downgrade waits for the end of the paid period."""
        choice, clock = admin_change.decode(_CHOICE), admin_change.clock

        async def apply(session: AsyncSession, owner: Account) -> PlanChange:
            """Start the subscription, or change its plan."""
            current = await find_subscription(session, owner.id, clock.now())
            place = (session, clock, admin_change.actor, owner, choice.plan, choice.version)
            return await switch_account_plan(*place, starts=current is None)

        return await _change(admin_change, account, apply)

    @post(
        "/cancel",
        status_code=200,
        summary="Cancel the subscription of an account",
        admin_scope=AdminScope.PLANS_WRITE,
    )
    async def cancel(
        self, admin_change: NamedDependency[AdminRequest], account: FromPath[str]
    ) -> Response[bytes]:
        """Cancel the subscription at the end of the paid period, or now."""
        now = admin_change.decode(_CANCELLATION).now

        async def apply(session: AsyncSession, owner: Account) -> PlanChange:
            """Cancel the subscription."""
            place = (session, admin_change.clock, admin_change.actor, owner)
            return await cancel_account_plan(*place, now=now)

        return await _change(admin_change, account, apply)

    @post(
        "/pause",
        status_code=200,
        summary="Pause the subscription of an account",
        admin_scope=AdminScope.PLANS_WRITE,
    )
    async def pause(
        self, admin_change: NamedDependency[AdminRequest], account: FromPath[str]
    ) -> Response[bytes]:
        """Pause the subscription at the end of the paid period; list prices apply meanwhile."""
        until = admin_change.decode(_PAUSE).until
        resumes_at = None if until is None else parse_instant(until, ResumptionTimeInvalid)

        async def apply(session: AsyncSession, owner: Account) -> PlanChange:
            """Pause the subscription."""
            place = (session, admin_change.clock, admin_change.actor, owner)
            return await pause_account_plan(*place, resumes_at)

        return await _change(admin_change, account, apply)

    @post(
        "/resume",
        status_code=200,
        summary="End a pause, or undo a scheduled cancellation, downgrade or pause",
        admin_scope=AdminScope.PLANS_WRITE,
    )
    async def resume(
        self, admin_change: NamedDependency[AdminRequest], account: FromPath[str]
    ) -> Response[bytes]:
        """Let the subscription go on as it is."""

        async def apply(session: AsyncSession, owner: Account) -> PlanChange:
            """Undo the scheduled change."""
            place = (session, admin_change.clock, admin_change.actor, owner)
            return await resume_account_plan(*place)

        return await _change(admin_change, account, apply)

    @post(
        "/add_ons",
        status_code=200,
        summary="Add or remove an add-on of the plan of an account",
        admin_scope=AdminScope.PLANS_WRITE,
    )
    async def set_add_on(
        self, admin_change: NamedDependency[AdminRequest], account: FromPath[str]
    ) -> Response[bytes]:
        """Set the quantity of an add-on; invoice or credit the rest of the paid period."""
        choice, clock = admin_change.decode(_ADD_ON), admin_change.clock

        async def apply(session: AsyncSession, owner: Account) -> dict[str, Any]:
            """Set the quantity and return the subscription."""
            place = (session, clock, admin_change.actor, owner, choice.add_on, choice.quantity)
            change = await set_account_add_on(*place)
            return await add_on_change_json(session, clock, owner.id, change)

        return await admin_change.change_account(account, apply)


async def _change(admin: AdminRequest, account: str, apply: _Apply) -> Response[bytes]:
    """Apply a change of a subscription and return the subscription."""
    return await admin.change_account(account, partial(_apply_change, admin, apply))


async def _apply_change(
    admin: AdminRequest, apply: _Apply, session: AsyncSession, owner: Account
) -> dict[str, Any]:
    """Apply a change and return the subscription with its new invoices."""
    return await plan_change_result(session, admin.clock, owner, await apply(session, owner))
