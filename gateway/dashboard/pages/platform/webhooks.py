"""Webhooks: events that came from Stripe, and what goes out: to Stripe, by mail, to customers.

Owns what these pages show and having something tried once more.
"""

from typing import Any
from urllib.parse import urlencode

from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromQuery

from billing.collection.stripe.client import Payments
from billing.reports.deliveries import (
    Mark,
    Progress,
    count_incoming,
    count_outgoing,
    list_incoming,
    list_outgoing,
)
from gateway.dashboard.forms import fields_of
from gateway.dashboard.page_request import Viewing, place_of, safe_address
from gateway.dashboard.pages.platform.common import platform_zone, require_id
from gateway.identity.audit_log import Actor
from gateway.identity.roles import Permission
from gateway.operations.accounts import retry_event, retry_item
from infra import ids
from infra.clock import Clock
from infra.database.database import Database

_OUT, _IN = "/dashboard/platform/webhooks", "/dashboard/platform/webhooks/incoming"
_ITEM = "out"
_ROWS = 50
_ALL = frozenset(Progress)


class WebhookPages(Controller):
    """`/dashboard/platform/webhooks…`."""

    path = "/platform/webhooks"

    @get("/", name="platform:outgoing", permission=Permission.WATCH)
    async def outgoing(
        self,
        viewing: NamedDependency[Viewing],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        progress: FromQuery[str | None] = None,
        before: FromQuery[str | None] = None,
    ) -> Response[str]:
        wanted = _progress(progress)
        mark = None if before is None else ids.parse(_ITEM, before)
        async with database.transaction() as session:
            counts = await count_outgoing(session)
            rows = await list_outgoing(session, wanted, _ROWS + 1, mark)
        more = ids.show(_ITEM, rows[_ROWS - 1].id) if len(rows) > _ROWS else None
        return viewing.page(
            "platform/outgoing.html",
            rows=rows[:_ROWS],
            **_around(viewing, clock, _OUT, wanted, counts, more, before),
        )

    @get("/incoming", name="platform:incoming", permission=Permission.WATCH)
    async def incoming(
        self,
        viewing: NamedDependency[Viewing],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        payments: NamedDependency[Payments | None],
        progress: FromQuery[str | None] = None,
        before: FromQuery[str | None] = None,
    ) -> Response[str]:
        wanted = _progress(progress)
        async with database.transaction() as session:
            counts = await count_incoming(session)
            rows = await list_incoming(session, wanted, _ROWS + 1, Mark.read(before or ""))
        more = str(Mark.of(rows[_ROWS - 1])) if len(rows) > _ROWS else None
        return viewing.page(
            "platform/incoming.html",
            rows=rows[:_ROWS],
            used=payments is not None,
            **_around(viewing, clock, _IN, wanted, counts, more, before),
        )

    @post("/retry", permission=Permission.OPERATE)
    async def again(
        self,
        viewing: NamedDependency[Viewing],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        request: Request[Any, Any, Any],
    ) -> Response[Any]:
        """Try an item (`out_…`) or an event (Stripe's own id) once more."""
        said = await fields_of(request)
        by, name = Actor.of(viewing.viewer, place_of(request).address), said.get("id", "")
        async with database.transaction() as session:
            if name.startswith(f"{_ITEM}_"):
                await retry_item(session, clock, by, require_id(_ITEM, name))
            else:
                await retry_event(session, clock, by, name.replace("\x00", ""))
        return viewing.go(safe_address(said.get("next")))


def _around(
    viewing: Viewing,
    clock: Clock,
    path: str,
    wanted: Progress | None,
    counts: dict[Progress, int],
    more: str | None,
    before: str | None,
) -> dict[str, Any]:
    """What both pages show beside their rows."""
    return {
        "here": _address(path, wanted),
        "choices": [(_address(path, None), None, None)]
        + [(_address(path, one), one, counts[one]) for one in Progress],
        "more": None if more is None else _address(path, wanted, more),
        "first": _address(path, wanted) if before else None,
        "operates": viewing.viewer.may(Permission.OPERATE),
        "zone": platform_zone(),
        "now": clock.now(),
    }


def _address(path: str, progress: Progress | None, before: str | None = None) -> str:
    said = {"progress": progress and progress.value, "before": before}
    query = urlencode({name: one for name, one in said.items() if one})
    return f"{path}?{query}" if query else path


def _progress(text: str | None) -> Progress | None:
    return Progress(text) if text in _ALL else None
