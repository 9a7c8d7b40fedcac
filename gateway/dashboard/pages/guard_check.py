"""Check a text on the guard page: a call of `/v1/moderations` with one of the account's keys.

It is admitted, limited, metered and billed like any other, and tagged `source=guard-page`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from gateway.access.api_keys import PREFIX as KEY_PREFIX
from gateway.asgi.exchange import ClientExchange
from gateway.asgi.memory_exchange import MemoryExchange
from gateway.asgi.timeouts import TimeoutWheel
from gateway.call.tags import TAGS_HEADER
from gateway.call.values import Call, SignedInCaller
from gateway.dashboard.errors import PageNotFound
from gateway.dashboard.page_request import PageRequest, client_origin
from gateway.dashboard.pages.access.active_keys import list_active_keys
from gateway.identity.audit_log import record_audit_event
from gateway.inference.endpoints.moderation import MODERATION
from gateway.inference.pipeline import Pipeline
from infra import ids
from infra.clock import Clock
from infra.database.database import Database
from infra.errors import AppError

_TAGS = {TAGS_HEADER: b"source=guard-page"}
_OK = 200


class CheckFailed(AppError):
    """The text could not be checked; the message is that of the call."""

    status = 422
    type = "invalid_request_error"
    code = "check_failed"


@dataclass(frozen=True, slots=True)
class CheckedText:
    """The verdict about a text, what was found in it, and what the check cost.

    `safety` is None if the model only flags texts; `reported` are the model's own words.
    """

    flagged: bool
    safety: str | None
    categories: tuple[str, ...]
    reported: tuple[str, ...]
    cost: str
    currency: str


async def check_text(
    page: PageRequest,
    database: Database,
    clock: Clock,
    pipeline: Pipeline,
    fields: Mapping[str, str],
) -> CheckedText:
    """Check the text of a form with its model and key.

    Raises PageNotFound for another account's key, and CheckFailed.
    """
    key_id, account_id = ids.parse_id(KEY_PREFIX, fields.get("key", "")), page.account_id
    known = {key.id for key in await list_active_keys(page, database, clock)}
    if key_id is None or key_id not in known:
        raise PageNotFound("The account has no such key.")
    body = {"model": fields.get("checked_by", ""), "input": fields.get("text", "")}
    call = Call(
        request_id=ids.new_id(),
        operation=MODERATION.operation,
        path=MODERATION.path,
        credentials=None,
        headers=_TAGS,
        model_in_path=None,
        started_at=clock.now(),
        started_monotonic=clock.monotonic(),
        signed_in_caller=SignedInCaller(account_id, key_id),
        client_address=client_origin(page.request).address,
    )
    async with database.transaction() as session:
        details = {"model": body["model"], "key": fields.get("key", "")}
        name = ids.format_id("req", call.request_id)
        await record_audit_event(
            session, clock, page.actor, account_id, "playground.called", name, details
        )
    exchange = MemoryExchange(msgspec.json.encode(body))
    client = ClientExchange(_TAGS, exchange.receive, exchange.send, TimeoutWheel())
    await pipeline.serve(call, client)
    return _read(exchange)


def _read(exchange: MemoryExchange) -> CheckedText:
    """Return the verdict in a response. Raises CheckFailed."""
    answer: dict[str, Any] = msgspec.json.decode(exchange.body)
    if exchange.status != _OK:
        raise CheckFailed(str(answer["error"]["message"]))
    result = answer["results"][0]
    return CheckedText(
        flagged=result["flagged"],
        safety=result.get("x_maas_safety"),
        categories=tuple(name for name, found in result["categories"].items() if found),
        reported=tuple(result.get("x_maas_hazards", ())),
        cost=exchange.headers.get("x-maas-cost", ""),
        currency=exchange.headers.get("x-maas-currency", ""),
    )
