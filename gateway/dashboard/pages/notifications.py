"""The pages of notifications: endpoints, their settings, and the log of deliveries."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery

from billing.accounts.profiles import get_profile
from billing.dates import parse_time_zone
from billing.events.types import ALL_EVENTS, EVENT_GROUPS, EVENT_TYPES
from billing.notifications.endpoints.deliveries import (
    DELIVERY_ID_PREFIX,
    DELIVERY_STATUSES,
    DeliveryFilter,
    NotificationDeliveryNotFound,
    NotificationNotRepeatable,
    get_delivery,
    list_deliveries,
)
from billing.notifications.endpoints.endpoints import (
    ENDPOINT_ID_PREFIX,
    EndpointChange,
    NewEndpoint,
    NotificationEndpointNotFound,
    StoredEndpoint,
    TooManyNotificationEndpoints,
    get_endpoint,
    list_endpoints,
)
from billing.notifications.endpoints.fields import NotificationEndpointInvalid
from billing.notifications.endpoints.kinds import KINDS
from billing.notifications.endpoints.sending import ENDPOINTS_PAGE
from billing.notifications.endpoints.trial import NotificationTestTooSoon, TestedEndpoint
from gateway.dashboard.forms import (
    EMPTY_FORM,
    FormState,
    read_form_fields,
    restored_form,
    with_errors,
)
from gateway.dashboard.page_request import UNPROCESSABLE, PageRequest
from gateway.dashboard.preserved_input import PreservedFields
from gateway.identity.roles import Permission
from gateway.operations.notifications import NotificationService
from infra import ids
from infra.clock import Clock
from infra.database.database import Database

_PER_PAGE = 20
_CHOICES = (ALL_EVENTS, *EVENT_GROUPS)
_BOXES = tuple(f"events_{'all' if name == ALL_EVENTS else name}" for name in _CHOICES)
_FIELDS = ("kind", "address", "description", "language", "types", *_BOXES)
_PRESERVED_FIELDS = PreservedFields(
    # Not the address: that of a robot has its key.
    ENDPOINTS_PAGE,
    tuple(name for name in _FIELDS if name != "address"),
)
_ADD_ERRORS = (NotificationEndpointInvalid, TooManyNotificationEndpoints)


@dataclass(frozen=True, slots=True)
class _LogQuery:
    """Filter and cursor of the log."""

    endpoint: str | None = None
    status: str | None = None
    type: str | None = None
    after: str | None = None

    def url(self, **values: str | None) -> str:
        """Return the URL of the log with some values replaced."""
        names = {"endpoint": self.endpoint, "status": self.status, "type": self.type, **values}
        query = urlencode({name: value for name, value in names.items() if value})
        return f"{ENDPOINTS_PAGE}?{query}#log" if query else f"{ENDPOINTS_PAGE}#log"


class NotificationPages(Controller):
    """Handlers of `/dashboard/notifications`."""

    path = "/notifications"

    @get("/", name="dashboard:notifications")
    async def show(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        endpoint: FromQuery[str | None] = None,
        status: FromQuery[str | None] = None,
        type: FromQuery[str | None] = None,
        after: FromQuery[str | None] = None,
    ) -> Response[str]:
        """Show the account's endpoints, the log, and the form to add one."""
        query = _LogQuery(endpoint, status, type, after)
        return await _render_list(page, database, clock, restored_form(page), query)

    @post("/", permission=Permission.LIMITS, keeps=_PRESERVED_FIELDS)
    async def add(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        notifications: NamedDependency[NotificationService],
        request: Request[Any, Any, Any],
    ) -> Response[Any]:
        """Add an endpoint; show the secret of a webhook once."""
        fields = {name: "" for name in _FIELDS} | await read_form_fields(request)
        new = NewEndpoint(
            fields["kind"],
            fields["address"],
            fields.get("secret", ""),
            fields["description"],
            fields["language"],
            _selected_events(fields),
        )
        try:
            made = await notifications.add(page.actor, page.account_id, new)
        except _ADD_ERRORS as error:
            shown = {name: value for name, value in fields.items() if name != "secret"}
            form = with_errors(page, {**shown, "secret": ""}, error)
            return await _render_list(page, database, clock, form, _LogQuery())
        return _after_change(page, made.stored, made.warning, "added")

    @get("/{endpoint:str}", name="dashboard:notification-endpoint")
    async def show_endpoint(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        endpoint: FromPath[str],
    ) -> Response[str]:
        """Show the settings of an endpoint."""
        return await _render_endpoint(page, database, _endpoint_id(endpoint))

    @post("/{endpoint:str}", permission=Permission.LIMITS)
    async def save(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        notifications: NamedDependency[NotificationService],
        request: Request[Any, Any, Any],
        endpoint: FromPath[str],
    ) -> Response[Any]:
        """Change an endpoint; empty address and secret are unchanged."""
        fields = {name: "" for name in (*_FIELDS, "secret")} | await read_form_fields(request)
        change = EndpointChange(
            address=fields["address"].strip() or None,
            secret=fields["secret"].strip() or None,
            description=fields["description"],
            language=fields["language"],
            enabled_events=_selected_events(fields),
        )
        endpoint_id = _endpoint_id(endpoint)
        try:
            made = await notifications.change(page.actor, page.account_id, endpoint_id, change)
        except NotificationEndpointInvalid as error:
            form = with_errors(page, {**fields, "secret": ""}, error)
            return await _render_endpoint(page, database, endpoint_id, form)
        return _after_change(page, made.stored, made.warning, "changed")

    @post("/{endpoint:str}/test", permission=Permission.LIMITS)
    async def test(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        notifications: NamedDependency[NotificationService],
        endpoint: FromPath[str],
    ) -> Response[str]:
        """Send a test message and show its result."""
        endpoint_id = _endpoint_id(endpoint)
        try:
            tested = await notifications.test(page.actor, page.account_id, endpoint_id)
        except NotificationTestTooSoon as error:
            form = with_errors(page, {}, error)
            return await _render_endpoint(page, database, endpoint_id, form)
        return await _render_endpoint(page, database, endpoint_id, tested=tested)

    @post("/{endpoint:str}/{change:str}", permission=Permission.LIMITS)
    async def change_state(
        self,
        page: NamedDependency[PageRequest],
        notifications: NamedDependency[NotificationService],
        endpoint: FromPath[str],
        change: FromPath[str],
    ) -> Response[Any]:
        """Enable, disable or remove an endpoint, or replace its secret."""
        place = (page.actor, page.account_id, _endpoint_id(endpoint))
        if change == "remove":
            await notifications.remove(*place)
            return page.redirect(f"{ENDPOINTS_PAGE}?done=removed")
        if change == "roll":
            stored = await notifications.roll_secret(*place)
            return _after_change(page, stored, None, "changed")
        if change not in ("enable", "disable"):
            raise NotificationEndpointNotFound("Page not found.")
        await notifications.change(*place, EndpointChange(enabled=change == "enable"))
        return page.redirect(f"{ENDPOINTS_PAGE}/{endpoint}")

    @get("/deliveries/{delivery:str}", name="dashboard:notification-delivery")
    async def show_delivery(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        delivery: FromPath[str],
    ) -> Response[str]:
        """Show a delivery with its payload and attempts."""
        return await _render_delivery(page, database, _delivery_id(delivery), EMPTY_FORM)

    @post("/deliveries/{delivery:str}/again", permission=Permission.LIMITS)
    async def deliver_again(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        notifications: NamedDependency[NotificationService],
        delivery: FromPath[str],
    ) -> Response[Any]:
        """Queue a delivery again."""
        delivery_id = _delivery_id(delivery)
        try:
            await notifications.deliver_again(page.actor, page.account_id, delivery_id)
        except NotificationNotRepeatable as error:
            form = with_errors(page, {}, error)
            return await _render_delivery(page, database, delivery_id, form)
        return page.redirect(f"{ENDPOINTS_PAGE}/deliveries/{delivery}")


async def _render_list(
    page: PageRequest, database: Database, clock: Clock, form: FormState, query: _LogQuery
) -> Response[str]:
    """Render the list of endpoints with the log."""
    endpoint_id = ids.parse_id(ENDPOINT_ID_PREFIX, query.endpoint or "")
    status = query.status if query.status in DELIVERY_STATUSES else None
    chosen = DeliveryFilter(endpoint_id, status, query.type or None)
    cursor = ids.parse_id(DELIVERY_ID_PREFIX, query.after or "")
    account_id = page.account_id
    async with database.transaction() as session:
        endpoints = await list_endpoints(session, clock, account_id)
        rows = await list_deliveries(session, account_id, chosen, _PER_PAGE + 1, cursor)
        profile = await get_profile(session, account_id)
    last = rows[_PER_PAGE - 1].id if len(rows) > _PER_PAGE else None
    more = None if last is None else ids.format_id(DELIVERY_ID_PREFIX, last)
    return page.render(
        "notifications.html",
        status=UNPROCESSABLE if form.error or form.errors else 200,
        endpoints=[(one, ids.format_id(ENDPOINT_ID_PREFIX, one.row.id)) for one in endpoints],
        names={one.row.id: one.row.description or one.address for one in endpoints},
        rows=[(row, ids.format_id(DELIVERY_ID_PREFIX, row.id)) for row in rows[:_PER_PAGE]],
        query=query,
        statuses=DELIVERY_STATUSES,
        event_types=EVENT_TYPES,
        more=None if more is None else query.url(after=more),
        first=query.url() if query.after else None,
        zone=parse_time_zone(profile.time_zone),
        done=page.request.query_params.get("done"),
        **_form_context(page, form),
    )


async def _render_endpoint(
    page: PageRequest,
    database: Database,
    endpoint_id: UUID,
    form: FormState | None = None,
    tested: TestedEndpoint | None = None,
) -> Response[str]:
    """Render the settings of an endpoint, with the form's errors or the result of a test."""
    async with database.transaction() as session:
        stored = await get_endpoint(session, page.account_id, endpoint_id)
        profile = await get_profile(session, page.account_id)
    values = _form_values(stored)
    shown = FormState({**values, **form.values}, form.error, form.errors) if form else None
    name = ids.format_id(ENDPOINT_ID_PREFIX, endpoint_id)
    delivery = tested and ids.format_id(DELIVERY_ID_PREFIX, tested.delivery_id)
    return page.render(
        "notification_endpoint.html",
        status=UNPROCESSABLE if form else 200,
        endpoint=stored,
        name=name,
        tested=tested,
        tested_delivery=delivery,
        zone=parse_time_zone(profile.time_zone),
        **_form_context(page, shown or FormState(values)),
    )


async def _render_delivery(
    page: PageRequest, database: Database, delivery_id: UUID, form: FormState
) -> Response[str]:
    """Render a delivery with its attempts."""
    async with database.transaction() as session:
        logged = await get_delivery(session, page.account_id, delivery_id)
        profile = await get_profile(session, page.account_id)
    return page.render(
        "notification_delivery.html",
        status=UNPROCESSABLE if form.error else 200,
        logged=logged,
        payload=json.dumps(logged.event.payload, ensure_ascii=False, indent=2),
        name=ids.format_id(DELIVERY_ID_PREFIX, delivery_id),
        endpoint=ids.format_id(ENDPOINT_ID_PREFIX, logged.row.endpoint_id),
        zone=parse_time_zone(profile.time_zone),
        may=page.viewer.has_permission(Permission.LIMITS),
        form=form,
    )


def _after_change(
    page: PageRequest, stored: StoredEndpoint, warning: str | None, done: str
) -> Response[Any]:
    """Show a new secret once, or go back to the endpoints."""
    if stored.secret is None:
        return page.redirect(f"{ENDPOINTS_PAGE}?done={done}")
    return page.render(
        "webhook_secret.html",
        secret=stored.secret,
        url=stored.address,
        warning=warning,
        back=ENDPOINTS_PAGE,
    )


def _form_context(page: PageRequest, form: FormState) -> dict[str, Any]:
    """Return what the form of an endpoint needs."""
    return {
        "form": form,
        "kinds": KINDS,
        "boxes": list(zip(_BOXES, _CHOICES, strict=True)),
        "may": page.viewer.has_permission(Permission.LIMITS),
    }


def _form_values(stored: StoredEndpoint) -> dict[str, str]:
    """Return the form's values for an endpoint; the address of a robot is not shown in full."""
    events = stored.row.enabled_events
    boxes = {box: "on" for box, name in zip(_BOXES, _CHOICES, strict=True) if name in events}
    types = ", ".join(name for name in events if name not in _CHOICES)
    return {
        "description": stored.row.description,
        "language": stored.row.language,
        "types": types,
        **boxes,
    }


def _selected_events(fields: Mapping[str, str]) -> list[str]:
    """Return the selected groups, and the event types that were entered."""
    groups = [name for box, name in zip(_BOXES, _CHOICES, strict=True) if fields.get(box)]
    return [*groups, *fields.get("types", "").replace("，", ",").replace(",", " ").split()]


def _endpoint_id(text: str) -> UUID:
    """Parse the id of an endpoint. Raises NotificationEndpointNotFound."""
    endpoint_id = ids.parse_id(ENDPOINT_ID_PREFIX, text)
    if endpoint_id is None:
        raise NotificationEndpointNotFound("The account has no such notification endpoint.")
    return endpoint_id


def _delivery_id(text: str) -> UUID:
    """Parse the id of a delivery. Raises NotificationDeliveryNotFound."""
    delivery_id = ids.parse_id(DELIVERY_ID_PREFIX, text)
    if delivery_id is None:
        raise NotificationDeliveryNotFound("The account has no such delivery.")
    return delivery_id
