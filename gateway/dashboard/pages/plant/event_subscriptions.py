"""Forms of a query's page: subscribe a webhook to new events, pause, resume and end it."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from litestar import Controller, Request, Response, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.dashboard.forms import EMPTY_FORM, read_form_fields, with_errors
from gateway.dashboard.page_request import PageRequest
from gateway.dashboard.pages.plant.event_queries import render_query
from gateway.dashboard.pages.plant.event_views import QUERIES_PAGE, SCHEDULES
from gateway.identity.audit_log import record_audit_event
from gateway.identity.roles import Permission
from gateway.plant.epcis.errors import SubscriptionInvalid
from gateway.plant.epcis.named_queries import get_query
from gateway.plant.epcis.subscriptions import (
    SUBSCRIPTION_ID_PREFIX,
    create_subscription,
    delete_subscription,
    parse_subscription,
    pause_subscription,
    resume_subscription,
)
from gateway.tables.epcis_queries import PlantEventQuery
from infra import ids
from infra.clock import Clock
from infra.database.database import Database
from infra.outbound.webhook_post import SignedPoster
from infra.secrets.sealer import Sealer

_FIELDS = ("url", "timing", "empty")
_NO_DETAILS: Mapping[str, str] = MappingProxyType({})


class EventSubscriptionPages(Controller):
    """Handlers of `/dashboard/identifiers/queries/…/subscriptions`."""

    path = "/identifiers/queries/{event_query:str}/subscriptions"

    @post("/", status_code=200, permission=Permission.CALL)
    async def subscribe(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        pepper: NamedDependency[bytes],
        webhook_poster: NamedDependency[SignedPoster],
        request: Request[Any, Any, Any],
        event_query: FromPath[str],
    ) -> Response[str]:
        """Subscribe a webhook and show its signing secret once."""
        fields = {name: "" for name in _FIELDS} | await read_form_fields(request)
        async with database.transaction() as session:
            await get_query(session, page.account_id, event_query)
        try:
            new = await parse_subscription(_body_of(fields), webhook_poster.allowed_addresses)
            async with database.transaction() as session:
                named = await get_query(session, page.account_id, event_query)
                place = (session, clock, Sealer(pepper), named)
                row, secret = await create_subscription(*place, new)
                subject = ids.format_id(SUBSCRIPTION_ID_PREFIX, row.id)
                action, webhook = "epcis.subscription_created", {"webhook": row.url}
                await _record(page, session, clock, named, action, subject, webhook)
        except SubscriptionInvalid as error:
            form = with_errors(page, fields, error)
            return await render_query(page, database, event_query, form)
        return await render_query(page, database, event_query, EMPTY_FORM, secret=secret)

    @post("/{event_subscription:str}/pause", permission=Permission.CALL)
    async def pause(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        event_query: FromPath[str],
        event_subscription: FromPath[str],
    ) -> Response[Any]:
        """Stop deliveries until the subscription is resumed."""
        async with database.transaction() as session:
            named = await get_query(session, page.account_id, event_query)
            await pause_subscription(session, clock, named, event_subscription)
            await _record(
                page, session, clock, named, "epcis.subscription_paused", event_subscription
            )
        return page.redirect(f"{QUERIES_PAGE}/{named.name}")

    @post("/{event_subscription:str}/resume", permission=Permission.CALL)
    async def resume(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        event_query: FromPath[str],
        event_subscription: FromPath[str],
    ) -> Response[Any]:
        """Deliver again, beginning with the first event that was not delivered."""
        async with database.transaction() as session:
            named = await get_query(session, page.account_id, event_query)
            await resume_subscription(session, clock, named, event_subscription)
            await _record(
                page, session, clock, named, "epcis.subscription_resumed", event_subscription
            )
        return page.redirect(f"{QUERIES_PAGE}/{named.name}")

    @post("/{event_subscription:str}/delete", permission=Permission.CALL)
    async def end(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        event_query: FromPath[str],
        event_subscription: FromPath[str],
    ) -> Response[Any]:
        """End a subscription."""
        async with database.transaction() as session:
            named = await get_query(session, page.account_id, event_query)
            await delete_subscription(session, named, event_subscription)
            await _record(
                page, session, clock, named, "epcis.subscription_ended", event_subscription
            )
        return page.redirect(f"{QUERIES_PAGE}/{named.name}")


async def _record(
    page: PageRequest, session: AsyncSession, clock: Clock, named: PlantEventQuery,
    action: str, subject: str, details: Mapping[str, str] = _NO_DETAILS,
) -> None:  # fmt: skip
    """Record a change of a subscription in the audit log."""
    audit = (session, clock, page.actor, page.account_id)
    await record_audit_event(*audit, action, subject, {"name": named.name, **details})


def _body_of(fields: dict[str, str]) -> dict[str, Any]:
    """Return the subscription of a form as the API takes it."""
    body: dict[str, Any] = {"dest": fields["url"].strip(), "reportIfEmpty": bool(fields["empty"])}
    schedule = SCHEDULES.get(fields["timing"])
    return body | ({"stream": True} if schedule is None else {"schedule": dict(schedule)})
