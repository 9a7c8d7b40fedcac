"""The plan page: subscription and usage, available plans, and plan changes.

A change is previewed with its immediate cost, and applied only if that cost has not changed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery
from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.profiles import get_account_currency, get_profile, lock_profile
from billing.dates import parse_time_zone
from billing.invoice_documents.line_descriptions import line_description
from billing.invoice_documents.price_format import format_percent, format_price
from billing.invoices.usage_position import load_usage_position
from billing.notifications.monitored_limits import MonitoredLimit, load_monitored_limits
from billing.plan_changes.offers import Offer, find_offer, list_offers, preview_plan, take_plan
from billing.plan_changes.plan_changes import (
    PlanChangePreview,
    cancel_plan,
    pause_plan,
    resume_plan,
)
from billing.plan_changes.price_change_views import AnnouncedPrice, find_announced_price
from billing.rating.products import model_of_product
from billing.rating.terms import PlanTerms
from billing.subscriptions.pauses import (
    PausedPlan,
    ResumptionTimeInvalid,
    find_paused_plan,
    parse_resumption_day,
)
from billing.subscriptions.plans import load_terms
from billing.subscriptions.subscriptions import (
    NothingToResume,
    NotSubscribed,
    SamePlan,
    SubscriptionState,
    find_subscription,
    paid_period_end,
    yearly_fee,
)
from billing.tables import PlanVersion
from gateway.access.price_book import catalog_price_terms
from gateway.dashboard.forms import EMPTY_FORM, FormState, read_form_fields
from gateway.dashboard.page_request import UNPROCESSABLE, PageRequest
from gateway.dashboard.pages.plans.add_on import OwnAddOn, list_own_add_ons
from gateway.identity.audit_log import record_audit_event
from gateway.identity.roles import Permission
from gateway.upstream.availability import Availability
from infra.clock import Clock
from infra.database.database import Database
from infra.translations import gettext_noop
from models.catalog import Catalog

_PLAN_URL = "/dashboard/plan"
_SHOWN_LIMITS = ("allowance", "cap", "covered")


@dataclass(frozen=True, slots=True)
class _PlanOverview:
    """The data of the plan page; `following` are the terms of the next subscription phase.

    `pause` is the paused plan, if the account is in a pause; `standing` is None then. `announced`
    are the new prices that were announced to the account, if any.
    """

    standing: SubscriptionState | None
    pause: PausedPlan | None
    announced: AnnouncedPrice | None
    following: PlanTerms | None
    offers: Sequence[Offer]
    watched: Sequence[MonitoredLimit]
    currency: str
    add_ons: Sequence[OwnAddOn]


@dataclass(frozen=True, slots=True)
class _PlanChange:
    """The preview of a plan change; `terms` are those that its lines refer to, by plan version."""

    version: PlanVersion
    wanted: PlanTerms
    terms: Mapping[UUID, PlanTerms]
    preview: PlanChangePreview
    begins_at: datetime
    currency: str

    @property
    def seen(self) -> str:
        """The shown plan version and total; the form returns them, to detect that they changed."""
        amounts = self.preview.amounts
        return f"{self.version.id.hex} {amounts.taxed.total if amounts else 'later'}"


class PlanPages(Controller):
    """Handlers of `/dashboard/plan`."""

    path = "/plan"

    @get("/", name="dashboard:plan")
    async def show_plan(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        availability: NamedDependency[Availability],
        done: FromQuery[str | None] = None,
    ) -> Response[str]:
        """Show the subscription and the plans on offer, with a notice of the change `done`."""
        async with database.transaction() as session:
            profile = await get_profile(session, page.account_id)
            overview = await _load_plan(session, page, clock)
        listed = catalog_price_terms(availability.catalog, overview.currency)
        return page.render(
            "plan.html",
            found=overview,
            listed=listed,
            prices=_price_table(
                [listed, *(offer.terms for offer in overview.offers)],
                page.language,
                availability.catalog,
            ),
            percent=format_percent,
            may=page.viewer.has_permission(Permission.PLAN),
            zone=parse_time_zone(profile.time_zone),
            done=done,
        )

    @get("/change/{plan:str}", name="dashboard:plan-change", permission=Permission.PLAN)
    async def show_plan_change(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        plan: FromPath[str],
    ) -> Response[Any]:
        """Show the cost of a change to another plan."""
        return await _render_change(page, database, clock, plan, EMPTY_FORM, 200)

    @post("/change/{plan:str}", permission=Permission.PLAN)
    async def change_plan(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        plan: FromPath[str],
        request: Request[Any, Any, Any],
    ) -> Response[Any]:
        """Change the plan. Shows the preview again if its amounts changed, e.g. at midnight."""
        confirmed, account_id = (await read_form_fields(request)).get("seen"), page.account_id
        actor = page.actor
        async with database.transaction() as session:
            await lock_profile(session, account_id)
            try:
                change = await _preview_change(session, clock, account_id, plan)
            except SamePlan:
                return page.redirect(_PLAN_URL)
            if change.seen == confirmed:
                await take_plan(session, clock, account_id, change.version)
                details = {"version": change.version.number, "at_once": change.preview.now}
                await record_audit_event(
                    session, clock, actor, account_id, "plan.changed", plan, details
                )
                return page.redirect(
                    f"{_PLAN_URL}?done={'changed' if change.preview.now else 'planned'}"
                )
        message = page.translate(
            gettext_noop(
                "The amount has changed since this page was loaded. Review it and confirm again."
            )
        )
        return await _render_change(
            page, database, clock, plan, FormState(error=message), UNPROCESSABLE
        )

    @post("/cancel", permission=Permission.PLAN)
    async def cancel_subscription(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        request: Request[Any, Any, Any],
    ) -> Response[Any]:
        """Cancel the subscription at the end of the period."""
        at_once = (await read_form_fields(request)).get("when") == "now"
        actor, account_id = page.actor, page.account_id
        async with database.transaction() as session:
            try:
                await cancel_plan(session, clock, account_id, at_end=not at_once)
            except NotSubscribed:  # the form was sent twice
                return page.redirect(_PLAN_URL)
            details = {"at_once": at_once}
            await record_audit_event(
                session, clock, actor, account_id, "plan.cancelled", "", details
            )
        return page.redirect(f"{_PLAN_URL}?done=cancelled")

    @post("/resume", permission=Permission.PLAN)
    async def resume_subscription(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        request: Request[Any, Any, Any],
    ) -> Response[Any]:
        """Undo a scheduled cancellation or change of the plan."""
        actor, account_id = page.actor, page.account_id
        async with database.transaction() as session:
            try:
                await resume_plan(session, clock, account_id)
            except (NotSubscribed, NothingToResume):  # the form was sent twice
                return page.redirect(_PLAN_URL)
            await record_audit_event(session, clock, actor, account_id, "plan.resumed")
        return page.redirect(f"{_PLAN_URL}?done=resumed")

    @post("/pause", permission=Permission.PLAN)
    async def pause_subscription(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        request: Request[Any, Any, Any],
    ) -> Response[Any]:
        """Pause the plan at the end of the paid period, until a day if one is given."""
        resumes_on = (await read_form_fields(request)).get("resumes_on", "")
        account_id = page.account_id
        async with database.transaction() as session:
            profile = await get_profile(session, account_id)
            try:
                resumes_at = parse_resumption_day(resumes_on, parse_time_zone(profile.time_zone))
                await pause_plan(session, clock, account_id, resumes_at)
            except NotSubscribed:  # the form was sent twice
                return page.redirect(_PLAN_URL)
            except ResumptionTimeInvalid:
                return page.redirect(f"{_PLAN_URL}?done=pause-refused")
            await record_audit_event(
                session, clock, page.actor, account_id, "plan.paused", resumes_on
            )
        return page.redirect(f"{_PLAN_URL}?done=paused")


async def _load_plan(session: AsyncSession, page: PageRequest, clock: Clock) -> _PlanOverview:
    """Load the data of the plan page."""
    account_id, now = page.account_id, clock.now()
    standing = await find_subscription(session, account_id, now)
    following = None
    if standing is not None and standing.following is not None:
        version_id = standing.following.plan_version_id
        following = (await load_terms(session, [version_id]))[version_id]
    position = await load_usage_position(session, await get_profile(session, account_id), now)
    watched = await load_monitored_limits(session, position)
    return _PlanOverview(
        standing=standing,
        pause=await find_paused_plan(session, account_id, now),
        announced=await find_announced_price(session, account_id),
        following=following,
        offers=sorted(
            await list_offers(session, account_id), key=lambda one: yearly_fee(one.terms)
        ),
        watched=[one for one in watched if one.kind in _SHOWN_LIMITS],
        currency=position.currency,
        add_ons=await list_own_add_ons(session, page, clock, standing),
    )


async def _preview_change(
    session: AsyncSession, clock: Clock, account_id: UUID, plan: str
) -> _PlanChange:
    """Compute what a plan change would cost now. Raises PlanNotFound, SamePlan."""
    version = await find_offer(session, account_id, plan)
    change_preview = await preview_plan(session, clock, account_id, version)
    standing, now = await find_subscription(session, account_id, clock.now()), clock.now()
    version_ids = {version.id, *(line.version_id for line in change_preview.lines)}
    terms = await load_terms(session, version_ids)
    at_period_end = standing is not None and not change_preview.now
    return _PlanChange(
        version=version,
        wanted=terms[version.id],
        terms=terms,
        preview=change_preview,
        begins_at=await paid_period_end(session, standing, now)
        if standing and at_period_end
        else now,
        currency=await get_account_currency(session, account_id),
    )


async def _render_change(
    page: PageRequest, database: Database, clock: Clock, plan: str, form: FormState, status: int
) -> Response[Any]:
    """Render the confirmation page of a plan change."""
    async with database.transaction() as session:
        profile = await get_profile(session, page.account_id)
        try:
            change = await _preview_change(session, clock, page.account_id, plan)
        except SamePlan:
            return page.redirect(_PLAN_URL)
    lines = [
        (line, line_description(page.language, line, change.terms[line.version_id]))
        for line in change.preview.lines
    ]
    return page.render(
        "plan_change.html",
        status=status,
        change=change,
        percent=format_percent,
        lines=lines,
        form=form,
        zone=parse_time_zone(profile.time_zone),
        action=f"{_PLAN_URL}/change/{plan}",
    )


def _price_table(
    plans: Sequence[PlanTerms], language: str, served: Catalog
) -> list[tuple[str, str, list[str]]]:
    """Return a row per served model and meter: model, meter, and each plan's price as text.

    The text is empty where a plan has no price of its own and the list price applies. A model's
    service tiers follow its default prices.
    """
    products = {
        (price.model, price.meter): None
        for terms in plans
        for price in terms.prices
        if model_of_product(price.model) in served.models
    }
    return [
        (model, meter, [_price_text(terms, model, meter, language) for terms in plans])
        for model, meter in sorted(products, key=lambda product: model_of_product(product[0]))
    ]


def _price_text(terms: PlanTerms, model: str, meter: str, language: str) -> str:
    """Return a plan's price of a meter as text, empty if it has none."""
    price = terms.price(model, meter)
    return "" if price is None else format_price(price, meter, terms.currency, language)
