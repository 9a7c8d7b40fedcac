"""`/v1/status`: the state of the service and its incidents, public, in Statuspage's shape.

Needs no API key. The page of the same is `/status`.
"""

from typing import Annotated, Any

from litestar import Controller, Request, Response, get
from litestar.di import NamedDependency
from litestar.params import QueryParameter

from gateway.dashboard.i18n import dashboard_texts
from gateway.dashboard.incident_labels import INCIDENT_LABELS
from gateway.incidents.board import MAX_AGE_S, StatusBoard
from gateway.incidents.summary import incidents_json, summary_json, worst_impact
from infra.clock import Clock
from infra.translations import BABEL_LOCALES, accepted_language

LanguageParameter = Annotated[
    str | None,
    QueryParameter(name="lang", description="`en` or `zh`; that of Accept-Language unless given"),
]


class StatusRoutes(Controller):
    """The public status; texts in one language."""

    path = "/v1/status"

    @get("/", summary="Retrieve the state of the service and its open incidents")
    async def summary(
        self,
        request: Request[Any, Any, Any],
        status_board: NamedDependency[StatusBoard],
        clock: NamedDependency[Clock],
        language: LanguageParameter = None,
    ) -> Response[Any]:
        """Return the state in the shape of Statuspage's `summary.json`.

        Raises StatusRateLimited.
        """
        status_board.require_within_limit(client_address(request))
        chosen, snapshot = _choose_language(request, language), await status_board.snapshot()
        impact = worst_impact(snapshot.current) or "none"
        description = dashboard_texts(chosen).gettext(INCIDENT_LABELS["service_state"][impact])
        return _cacheable(summary_json(snapshot, clock.now(), chosen, description), chosen)

    @get("/incidents", summary="List open incidents and those resolved in the last 14 days")
    async def incidents(
        self,
        request: Request[Any, Any, Any],
        status_board: NamedDependency[StatusBoard],
        clock: NamedDependency[Clock],
        language: LanguageParameter = None,
    ) -> Response[Any]:
        """Return the incidents in the shape of Statuspage's `incidents.json`.

        Raises StatusRateLimited.
        """
        status_board.require_within_limit(client_address(request))
        chosen, snapshot = _choose_language(request, language), await status_board.snapshot()
        return _cacheable(incidents_json(snapshot, clock.now(), chosen), chosen)


def client_address(request: Request[Any, Any, Any]) -> str:
    """Return the client's address; behind a proxy uvicorn took it from the forwarding headers."""
    return request.client.host if request.client else ""


def _choose_language(request: Request[Any, Any, Any], language: str | None) -> str:
    """Return the requested language, that of Accept-Language if it is not supported."""
    if language in BABEL_LOCALES:
        return str(language)
    return accepted_language(request.headers.get("accept-language", ""))


def _cacheable(content: dict[str, Any], language: str) -> Response[Any]:
    """Return a response that browsers and proxies may keep for some seconds."""
    headers = {
        "cache-control": f"public, max-age={MAX_AGE_S}",
        "vary": "accept-language",
        "content-language": language,
        "access-control-allow-origin": "*",
    }
    return Response(content, headers=headers)
