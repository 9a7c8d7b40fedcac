"""Pages of events from the payment provider, and of deliveries to it, by mail and by webhook."""

from typing import Any
from urllib.parse import urlencode

from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromQuery

from billing.collection.collector import Collector
from billing.reports.deliveries import (
    DeliveryState,
    InboxCursor,
    count_inbox,
    count_outbox,
    list_inbox,
    list_outbox,
)
from gateway.dashboard.forms import read_form_fields
from gateway.dashboard.page_request import PageRequest, safe_redirect_path
from gateway.dashboard.pages.platform.common import parse_id_or_404, platform_zone
from gateway.identity.roles import Permission
from gateway.operations.accounts import retry_inbox_event, retry_outbox_item
from infra import ids
from infra.clock import Clock
from infra.database.database import Database

_OUTGOING_URL, _INCOMING_URL = (
    "/dashboard/platform/webhooks",
    "/dashboard/platform/webhooks/incoming",
)
_OUTBOX_PREFIX = "out"
_PAGE_SIZE = 50
_PROGRESS_VALUES = frozenset(DeliveryState)


class WebhookPages(Controller):
    """Handlers of `/dashboard/platform/webhooks`."""

    path = "/platform/webhooks"

    @get("/", name="platform:outgoing", permission=Permission.WATCH)
    async def list_outbox(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        progress: FromQuery[str | None] = None,
        before: FromQuery[str | None] = None,
    ) -> Response[str]:
        """Show outgoing messages and their delivery."""
        selected = _parse_progress(progress)
        cursor = None if before is None else ids.parse_id(_OUTBOX_PREFIX, before)
        async with database.transaction() as session:
            counts = await count_outbox(session)
            rows = await list_outbox(session, selected, _PAGE_SIZE + 1, cursor)
        more = (
            ids.format_id(_OUTBOX_PREFIX, rows[_PAGE_SIZE - 1].id)
            if len(rows) > _PAGE_SIZE
            else None
        )
        return page.render(
            "platform/outgoing.html",
            rows=rows[:_PAGE_SIZE],
            **_common_context(page, clock, _OUTGOING_URL, selected, counts, more, before),
        )

    @get("/incoming", name="platform:incoming", permission=Permission.WATCH)
    async def list_inbox(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        collector: NamedDependency[Collector | None],
        progress: FromQuery[str | None] = None,
        before: FromQuery[str | None] = None,
    ) -> Response[str]:
        """Show events received from the collector."""
        selected = _parse_progress(progress)
        async with database.transaction() as session:
            counts = await count_inbox(session)
            rows = await list_inbox(
                session, selected, _PAGE_SIZE + 1, InboxCursor.parse(before or "")
            )
        more = str(InboxCursor.from_event(rows[_PAGE_SIZE - 1])) if len(rows) > _PAGE_SIZE else None
        return page.render(
            "platform/incoming.html",
            rows=rows[:_PAGE_SIZE],
            used=collector is not None,
            **_common_context(page, clock, _INCOMING_URL, selected, counts, more, before),
        )

    @post("/retry", permission=Permission.OPERATE)
    async def retry_delivery(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        request: Request[Any, Any, Any],
    ) -> Response[Any]:
        """Retry an outbox item (`out_…`) or an event (the collector's own id)."""
        fields = await read_form_fields(request)
        actor, item_id = page.actor, fields.get("id", "")
        async with database.transaction() as session:
            if item_id.startswith(f"{_OUTBOX_PREFIX}_"):
                await retry_outbox_item(
                    session, clock, actor, parse_id_or_404(_OUTBOX_PREFIX, item_id)
                )
            else:
                await retry_inbox_event(session, clock, actor, item_id.replace("\x00", ""))
        return page.redirect(safe_redirect_path(fields.get("next")))


def _common_context(
    page: PageRequest,
    clock: Clock,
    path: str,
    selected: DeliveryState | None,
    counts: dict[DeliveryState, int],
    next_cursor: str | None,
    before: str | None,
) -> dict[str, Any]:
    """Return the context shared by both lists: filters, pagination, permission and time."""
    return {
        "here": _list_url(path, selected),
        "choices": [(_list_url(path, None), None, None)]
        + [(_list_url(path, state), state, counts[state]) for state in DeliveryState],
        "more": None if next_cursor is None else _list_url(path, selected, next_cursor),
        "first": _list_url(path, selected) if before else None,
        "operates": page.viewer.has_permission(Permission.OPERATE),
        "zone": platform_zone(),
        "now": clock.now(),
    }


def _list_url(path: str, progress: DeliveryState | None, before: str | None = None) -> str:
    """Return the URL of a list with filter and cursor."""
    params = {"progress": progress and progress.value, "before": before}
    query = urlencode({name: value for name, value in params.items() if value})
    return f"{path}?{query}" if query else path


def _parse_progress(text: str | None) -> DeliveryState | None:
    """Parse the progress filter; None if it is unknown."""
    return DeliveryState(text) if text in _PROGRESS_VALUES else None
