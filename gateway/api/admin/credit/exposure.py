"""`/v1/admin/exposure`: what may be lost if accounts do not pay, its limits, and the replay."""

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from litestar import Controller, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromQuery, QueryParameter
from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.accounts import get_account
from billing.credit.errors import ExposureLimitInvalid
from billing.credit.exposure import load_book, load_scopes
from billing.credit.replay import replay_decisions
from billing.money import minor_text
from gateway.access.admin_scopes import AdminScope
from gateway.api.admin.context import AdminRequest
from gateway.operations.credit import change_exposure_limit
from gateway.operations.credit_views import exposure_json, replay_json
from gateway.operations.parsing import parse_currency, parse_minor


class NewExposureLimit(msgspec.Struct):
    """The exposure limit of a scope; `limit` null removes it.

    `scope` is `currency` (all accounts), `policy` or `guarantor`; `subject` is the name of the
    policy or guarantor, empty for `currency`.
    """

    limit: str | None
    scope: str = "currency"
    subject: str = ""
    currency: str = "CNY"


BODIES: Mapping[str, type[msgspec.Struct]] = {"/v1/admin/exposure/limits": NewExposureLimit}
_LIMIT = msgspec.json.Decoder(NewExposureLimit)
_Top = Annotated[int, QueryParameter(ge=1, le=1000)]


class AdminExposureRoutes(Controller):
    """Exposure of all accounts."""

    path = "/exposure"

    @get(
        "/",
        summary="Exposure by scope, and the accounts with the largest exposure",
        admin_scope=AdminScope.REPORTS_READ,
    )
    async def exposure(
        self,
        admin: NamedDependency[AdminRequest],
        currency: FromQuery[str] = "CNY",
        limit: _Top = 20,
    ) -> dict[str, Any]:
        """Return the exposure of all scopes, and of `limit` accounts in a currency."""
        code, now = parse_currency(currency, ExposureLimitInvalid), admin.clock.now()

        async def load(session: AsyncSession) -> dict[str, Any]:
            """Return the exposure as JSON."""
            book = (await load_book(session, code, now))[:limit]
            return exposure_json(await load_scopes(session, now), book, code)

        return {"object": "exposure", **await admin.read(load)}

    @post(
        "/limits",
        status_code=200,
        summary="Set or remove an exposure limit",
        admin_scope=AdminScope.CREDIT_WRITE,
    )
    async def set_limit(self, admin_change: NamedDependency[AdminRequest]) -> Response[bytes]:
        """Set the limit of a scope; raises above it are refused and recorded."""
        body = admin_change.decode(_LIMIT)
        currency, text = parse_currency(body.currency, ExposureLimitInvalid), body.limit
        minor = None if text is None else parse_minor(text, currency, ExposureLimitInvalid)

        async def apply(session: AsyncSession) -> dict[str, Any]:
            """Set the limit and return it."""
            place = (session, admin_change.clock, admin_change.actor)
            await change_exposure_limit(*place, body.scope, body.subject, currency, minor)
            return {
                "object": "exposure.limit",
                "scope": body.scope,
                "subject": body.subject,
                "currency": currency,
                "limit": None if minor is None else minor_text(minor, currency),
            }

        return await admin_change.change(apply)

    @get(
        "/replay",
        summary="Decide all stored credit decisions again, and report differences",
        admin_scope=AdminScope.REPORTS_READ,
    )
    async def replay(
        self, admin: NamedDependency[AdminRequest], account: FromQuery[str | None] = None
    ) -> dict[str, Any]:
        """Replay the decisions of all accounts, or of one. Nothing is changed."""

        async def load(session: AsyncSession) -> dict[str, Any]:
            """Return the differences as JSON."""
            owner = None if account is None else (await get_account(session, account)).id
            return replay_json(await replay_decisions(session, owner))

        return {"object": "credit.replay", **await admin.read(load)}
