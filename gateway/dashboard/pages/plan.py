"""Plan: what the account is on and how much of it is used, the plans that there are, and changes.

A change is shown with what it costs at once, and done only at that amount.
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

from billing.accounts.profiles import currency_of, lock_profile, read_profile
from billing.dates import zone_of
from billing.invoice_documents.line_descriptions import words_of
from billing.invoice_documents.price_format import percent, price_words
from billing.invoices.usage_position import read_position
from billing.notifications.watched_limits import Watched, watched_of
from billing.plan_changes.offers import Offer, find_offer, offers, preview, take
from billing.plan_changes.plan_changes import ChangePreview, end, go_on
from billing.rating.products import model_of
from billing.rating.terms import PlanTerms
from billing.subscriptions.plans import terms_of
from billing.subscriptions.subscriptions import (
    NothingToResume,
    NotSubscribed,
    SamePlan,
    Standing,
    paid_until,
    standing_of,
    yearly_fee,
)
from billing.tables import PlanVersion
from gateway.access.price_book import listed_terms
from gateway.dashboard.forms import EMPTY, Filled, fields_of
from gateway.dashboard.labels import marked
from gateway.dashboard.page_request import INVALID, Viewing, place_of
from gateway.identity.audit_log import Actor, record
from gateway.identity.roles import Permission
from gateway.upstream.availability import Availability
from infra.clock import Clock
from infra.database.database import Database
from models.catalog import Catalog

_PLAN = "/dashboard/plan"
_USED = ("allowance", "cap", "covered")


@dataclass(frozen=True, slots=True)
class _Found:
    """What the page is made of; `following` are the terms of the phase that follows."""

    standing: Standing | None
    following: PlanTerms | None
    offers: Sequence[Offer]
    watched: Sequence[Watched]
    currency: str


@dataclass(frozen=True, slots=True)
class _Change:
    """A change of plan as it would be now: `terms` are all that its lines name, by version."""

    version: PlanVersion
    wanted: PlanTerms
    terms: Mapping[UUID, PlanTerms]
    preview: ChangePreview
    begins_at: datetime
    currency: str

    @property
    def seen(self) -> str:
        """What was shown of it: a change is done only as it was seen."""
        amounts = self.preview.amounts
        return f"{self.version.id.hex} {amounts.taxed.total if amounts else 'later'}"


class PlanPages(Controller):
    """`/dashboard/plan…`."""

    path = "/plan"

    @get("/", name="dashboard:plan")
    async def plan(
        self,
        viewing: NamedDependency[Viewing],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        availability: NamedDependency[Availability],
        done: FromQuery[str | None] = None,
    ) -> Response[str]:
        now = clock.now()
        async with database.transaction() as session:
            profile = await read_profile(session, viewing.account_id)
            found = await _read(session, viewing.account_id, now)
        listed = listed_terms(availability.catalog, found.currency)
        return viewing.page(
            "plan.html",
            found=found,
            listed=listed,
            prices=_prices(
                [listed, *(one.terms for one in found.offers)],
                viewing.language,
                availability.catalog,
            ),
            percent=percent,
            may=viewing.viewer.may(Permission.PLAN),
            zone=zone_of(profile.time_zone),
            done=done,
        )

    @get("/change/{plan:str}", name="dashboard:plan-change", permission=Permission.PLAN)
    async def ask(
        self,
        viewing: NamedDependency[Viewing],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        plan: FromPath[str],
    ) -> Response[Any]:
        return await _asked(viewing, database, clock, plan, EMPTY, 200)

    @post("/change/{plan:str}", permission=Permission.PLAN)
    async def change(
        self,
        viewing: NamedDependency[Viewing],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        plan: FromPath[str],
        request: Request[Any, Any, Any],
    ) -> Response[Any]:
        """As it was shown, or it is shown again: at midnight another day is prorated."""
        seen, account_id = (await fields_of(request)).get("seen"), viewing.account_id
        by = Actor.of(viewing.viewer, place_of(request).address)
        async with database.transaction() as session:
            await lock_profile(session, account_id)
            try:
                wanted = await _change(session, clock, account_id, plan)
            except SamePlan:
                return viewing.go(_PLAN)
            if wanted.seen == seen:
                await take(session, clock, account_id, wanted.version)
                what = {"version": wanted.version.number, "at_once": wanted.preview.now}
                await record(session, clock, by, account_id, "plan.changed", plan, what)
                return viewing.go(f"{_PLAN}?done={'changed' if wanted.preview.now else 'planned'}")
        told = viewing.say(marked("What it costs has changed since it was shown. Look once more."))
        return await _asked(viewing, database, clock, plan, Filled(error=told), INVALID)

    @post("/cancel", permission=Permission.PLAN)
    async def cancel(
        self,
        viewing: NamedDependency[Viewing],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        request: Request[Any, Any, Any],
    ) -> Response[Any]:
        at_once = (await fields_of(request)).get("when") == "now"
        by, account_id = Actor.of(viewing.viewer, place_of(request).address), viewing.account_id
        async with database.transaction() as session:
            try:
                await end(session, clock, account_id, at_end=not at_once)
            except NotSubscribed:  # sent twice
                return viewing.go(_PLAN)
            what = {"at_once": at_once}
            await record(session, clock, by, account_id, "plan.cancelled", "", what)
        return viewing.go(f"{_PLAN}?done=cancelled")

    @post("/resume", permission=Permission.PLAN)
    async def resume(
        self,
        viewing: NamedDependency[Viewing],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        request: Request[Any, Any, Any],
    ) -> Response[Any]:
        """What would end or follow the plan is taken back."""
        by, account_id = Actor.of(viewing.viewer, place_of(request).address), viewing.account_id
        async with database.transaction() as session:
            try:
                await go_on(session, clock, account_id)
            except (NotSubscribed, NothingToResume):  # sent twice
                return viewing.go(_PLAN)
            await record(session, clock, by, account_id, "plan.resumed")
        return viewing.go(f"{_PLAN}?done=resumed")


async def _read(session: AsyncSession, account_id: UUID, now: datetime) -> _Found:
    standing = await standing_of(session, account_id, now)
    following = None
    if standing is not None and standing.following is not None:
        version_id = standing.following.plan_version_id
        following = (await terms_of(session, [version_id]))[version_id]
    position = await read_position(session, await read_profile(session, account_id), now)
    watched = await watched_of(session, position)
    return _Found(
        standing=standing,
        following=following,
        offers=sorted(await offers(session, account_id), key=lambda one: yearly_fee(one.terms)),
        watched=[one for one in watched if one.kind in _USED],
        currency=position.currency,
    )


async def _change(session: AsyncSession, clock: Clock, account_id: UUID, plan: str) -> _Change:
    """Raises PlanNotFound, SamePlan."""
    version = await find_offer(session, account_id, plan)
    seen = await preview(session, clock, account_id, version)
    standing, now = await standing_of(session, account_id, clock.now()), clock.now()
    named = {version.id, *(line.version_id for line in seen.lines)}
    terms = await terms_of(session, named)
    later = standing is not None and not seen.now
    return _Change(
        version=version,
        wanted=terms[version.id],
        terms=terms,
        preview=seen,
        begins_at=await paid_until(session, standing, now) if standing and later else now,
        currency=await currency_of(session, account_id),
    )


async def _asked(
    viewing: Viewing, database: Database, clock: Clock, plan: str, form: Filled, status: int
) -> Response[Any]:
    async with database.transaction() as session:
        profile = await read_profile(session, viewing.account_id)
        try:
            change = await _change(session, clock, viewing.account_id, plan)
        except SamePlan:
            return viewing.go(_PLAN)
    lines = [
        (line, words_of(viewing.language, line, change.terms[line.version_id]))
        for line in change.preview.lines
    ]
    return viewing.page(
        "plan_change.html",
        status=status,
        change=change,
        percent=percent,
        lines=lines,
        form=form,
        zone=zone_of(profile.time_zone),
        action=f"{_PLAN}/change/{plan}",
    )


def _prices(
    plans: Sequence[PlanTerms], language: str, served: Catalog
) -> list[tuple[str, str, list[str]]]:
    """By served model and meter, what each of these plans takes; empty where a plan has no price of
    its own, so that the list's holds. A model's service tiers follow its default prices."""
    places = {
        (one.model, one.meter): None
        for terms in plans
        for one in terms.prices
        if model_of(one.model) in served.models
    }
    return [
        (model, meter, [_words(terms, model, meter, language) for terms in plans])
        for model, meter in sorted(places, key=lambda place: model_of(place[0]))
    ]


def _words(terms: PlanTerms, model: str, meter: str, language: str) -> str:
    price = terms.price(model, meter)
    return "" if price is None else price_words(price, meter, language)
