"""What an account may read of its calls: what they cost, and what one would.

Owns the addresses and the shape of the answers; the numbers come from billing.
"""

from typing import Annotated, Any

from litestar import Controller, Request, get, post
from litestar.di import NamedDependency
from litestar.params import FromQuery, HeaderParameter, QueryParameter

from billing.metering.error_fixes import is_error_code
from billing.metering.usage import REQUEST_PREFIX, list_usage, show_usage
from billing.notifications.limits_in_force import limits_json
from gateway.access.authenticator import Authenticator
from gateway.access.key_limits import KEY_PREFIX
from gateway.api.pagination import shown_page
from gateway.asgi.log_context import name_cause
from gateway.call.errors import ParameterInvalid
from gateway.call.tags import HEADER as TAGS_HEADER
from gateway.call.values import Principal
from gateway.fine_tuning.call import PATH as ADAPTATIONS
from gateway.fine_tuning.offers import Offers
from gateway.inference.model_selection import LATENCY_HEADER
from gateway.inference.quotes import Quoting
from infra import ids
from infra.clock import Clock
from infra.database.database import Database

_Tags = Annotated[
    str | None, HeaderParameter(name="X-Maas-Tags", description="Those that the call will have")
]
_Latency = Annotated[
    str | None, HeaderParameter(name="X-Maas-Latency-Ms", description="That of a call for `auto`")
]
ErrorCode = Annotated[
    str | None,
    QueryParameter(description="Only calls with this error code; `any` for all errors"),
]


class AccountRoutes(Controller):
    """`/v1/usage`."""

    path = "/v1"

    @get("/usage", summary="The account's calls, the newest first, each with its cost")
    async def usage(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        limit: Annotated[int, QueryParameter(ge=1, le=1000)] = 100,
        before: FromQuery[str | None] = None,
        error_code: ErrorCode = None,
    ) -> dict[str, Any]:
        if error_code is not None and not is_error_code(error_code):
            raise ParameterInvalid(
                "`error_code` is an error code such as `model_not_found`, or `any`.",
                param="error_code",
            )
        mark = None if before is None else ids.parse(REQUEST_PREFIX, before)
        if before is not None and mark is None:
            raise ParameterInvalid("`before` is a request id, `req_…`.", param="before")
        async with database.transaction() as session:
            rows = await list_usage(
                session,
                account_id=principal.account_id,
                limit=limit + 1,
                before=mark,
                error_code=error_code,
            )
        return shown_page(rows, limit, show_usage)


class LimitRoutes(Controller):
    """`/v1/limits`."""

    path = "/v1"

    @get("/limits", summary="What may still be spent, which limit decides it, and all limits")
    async def limits(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
    ) -> dict[str, Any]:
        async with database.transaction() as session:
            return await limits_json(session, clock, principal.account_id, principal.key_id)


class QuoteRoutes(Controller):
    """`/v1/quote`."""

    path = "/v1"

    @post("/quote", status_code=200, summary="What a call would cost at most, before it is made")
    async def quote(
        self,
        principal: NamedDependency[Principal],
        quoting: NamedDependency[Quoting],
        offers: NamedDependency[Offers],
        request: Request[Any, Any, Any],
        tags: _Tags = None,
        latency: _Latency = None,
    ) -> dict[str, Any]:
        said = {TAGS_HEADER: tags, LATENCY_HEADER: latency}
        headers = {name: text.encode("latin-1") for name, text in said.items() if text is not None}
        body = await request.body()
        quote = await quoting.quote(principal, body, headers)
        if quote["endpoint"] != ADAPTATIONS:
            return quote
        return {**quote, **await offers.foreseen(principal, body)}


async def provide_principal(
    authenticator: NamedDependency[Authenticator], request: Request[Any, Any, Any]
) -> Principal:
    """Who asks. Raises what the key is refused for."""
    credentials = request.headers.get("authorization")
    address = request.client.host if request.client else ""
    principal = authenticator.require_active(await authenticator.identify(credentials), address)
    name_cause(request, key_id=ids.show(KEY_PREFIX, principal.key_id))
    return principal
