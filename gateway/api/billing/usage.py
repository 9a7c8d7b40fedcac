"""`/v1/usage`, `/v1/limits` and `/v1/quote`: an account's calls and costs, limits, and quotes."""

from typing import Annotated, Any

from litestar import Controller, Request, get, post
from litestar.di import NamedDependency
from litestar.params import FromQuery, HeaderParameter, QueryParameter

from billing.metering.error_fixes import is_error_code
from billing.metering.usage import REQUEST_ID_PREFIX, list_usage, usage_to_json
from billing.notifications.current_limits import key_limits_json
from gateway.access.authenticator import Authenticator
from gateway.access.credentials import find_credentials
from gateway.access.key_limits import KEY_PREFIX
from gateway.access.key_permissions import needed_permission, require_permission
from gateway.access.project_scope import readable_projects
from gateway.api.pagination import page_json
from gateway.asgi.log_context import bind_principal
from gateway.call.errors import ParameterInvalid
from gateway.call.tags import TAGS_HEADER
from gateway.call.values import Principal
from gateway.fine_tuning.call import JOBS_PATH as ADAPTATIONS
from gateway.fine_tuning.offers import JobOffers
from gateway.inference.model_selection import LATENCY_HEADER
from gateway.inference.quotes import Quotes
from gateway.projects.projects import parse_project_id
from infra import ids
from infra.clock import Clock
from infra.database.database import Database

_TagsHeader = Annotated[
    str | None, HeaderParameter(name="X-Maas-Tags", description="Those that the call will have")
]
_LatencyHeader = Annotated[
    str | None, HeaderParameter(name="X-Maas-Latency-Ms", description="That of a call for `auto`")
]
_EndpointPath = Annotated[
    str | None,
    QueryParameter(
        description="Path of the call, such as `/v1/responses` or `/v1/messages`. It may be left "
        "out for endpoints whose bodies have a field of their own."
    ),
]
ErrorCodeFilter = Annotated[
    str | None,
    QueryParameter(description="Only calls with this error code; `any` for all errors"),
]

ProjectFilter = Annotated[
    str | None, QueryParameter(description="Only calls of this project (`proj_…`)")
]


class UsageRoutes(Controller):
    """`/v1/usage`."""

    path = "/v1"

    @get("/usage", summary="List calls with their cost, newest first")
    async def usage(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        limit: Annotated[int, QueryParameter(ge=1, le=1000)] = 100,
        before: FromQuery[str | None] = None,
        error_code: ErrorCodeFilter = None,
        project_id: ProjectFilter = None,
    ) -> dict[str, Any]:
        """Return a page of usage rows older than `before`, filtered if asked.

        A key of a project lists the calls of that project, a key of the default project all.
        """
        if error_code is not None and not is_error_code(error_code):
            raise ParameterInvalid(
                "`error_code` must be an error code such as `model_not_found`, or `any`.",
                param="error_code",
            )
        cursor = None if before is None else ids.parse_id(REQUEST_ID_PREFIX, before)
        if before is not None and cursor is None:
            raise ParameterInvalid(
                "`before` must be a request id that starts with `req_`.", param="before"
            )
        requested = None if project_id is None else [parse_project_id(project_id)]
        async with database.transaction() as session:
            rows = await list_usage(
                session,
                account_id=principal.account_id,
                limit=limit + 1,
                before=cursor,
                error_code=error_code,
                project_ids=readable_projects(principal, requested),
            )
        return page_json(rows, limit, usage_to_json)


class LimitRoutes(Controller):
    """`/v1/limits`."""

    path = "/v1"

    @get(
        "/limits",
        summary="Retrieve the available balance, all limits and the limit that applies first",
    )
    async def limits(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
    ) -> dict[str, Any]:
        """Return the available balance and all limits that apply to the key."""
        async with database.transaction() as session:
            return await key_limits_json(session, clock, principal.account_id, principal.key_id)


class QuoteRoutes(Controller):
    """`/v1/quote`."""

    path = "/v1"

    @post("/quote", status_code=200, summary="Quote the maximum cost of a call before sending it")
    async def quote(
        self,
        principal: NamedDependency[Principal],
        quotes: NamedDependency[Quotes],
        offers: NamedDependency[JobOffers],
        request: Request[Any, Any, Any],
        tags: _TagsHeader = None,
        latency: _LatencyHeader = None,
        endpoint: _EndpointPath = None,
    ) -> dict[str, Any]:
        """Return the maximum cost of the call in the body; job quotes have more fields."""
        header_values = {TAGS_HEADER: tags, LATENCY_HEADER: latency}
        headers = {
            name: text.encode("latin-1") for name, text in header_values.items() if text is not None
        }
        body = await request.body()
        quote = await quotes.create(principal, body, headers, endpoint)
        if quote["endpoint"] != ADAPTATIONS:
            return quote
        return {**quote, **await offers.render_quote_details(principal, body)}


async def provide_principal(
    authenticator: NamedDependency[Authenticator], request: Request[Any, Any, Any]
) -> Principal:
    """Authenticate the request and return its principal. Raises the error of a rejected key."""
    credentials = find_credentials(request.headers)
    address = request.client.host if request.client else ""
    principal = authenticator.require_active(await authenticator.identify(credentials), address)
    require_permission(principal, needed_permission(request.method, request.scope["path"]))
    bind_principal(request, key_id=ids.format_id(KEY_PREFIX, principal.key_id))
    return principal
