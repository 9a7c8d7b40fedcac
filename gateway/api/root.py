"""`GET /`: people are led to the dashboard, programs are told what this service is.

It takes no key and tells nothing that `/docs` does not.
"""

from importlib.metadata import version
from typing import Any

from litestar import Request, Response, route
from litestar.di import NamedDependency
from litestar.response import Redirect

from infra.settings import Settings

NAME = "Model as a Service"
_PACKAGE = "maas-gateway"
_HTML = "text/html"
# One address with two answers, which no cache may mix up.
_HEADERS = {"vary": "Accept", "cache-control": "no-store"}


@route("/", http_method=["GET", "HEAD"], include_in_schema=False, sync_to_thread=False)
def front(request: Request[Any, Any, Any], settings: NamedDependency[Settings]) -> Response[Any]:
    """A browser is redirected to the dashboard (which asks it to sign in), or to `/docs` where
    there is no dashboard; others get JSON."""
    if _asks_for_html(request.headers.get("accept", "")):
        place = "/dashboard" if settings.dashboard else "/docs"
        return Redirect(place, status_code=303, headers=_HEADERS)
    told = {
        "name": NAME,
        "version": version(_PACKAGE),
        "docs": "/docs",
        "openapi": "/openapi.json",
        "health": "/health/ready",
    }
    return Response(told, headers=_HEADERS)


def _asks_for_html(accept: str) -> bool:
    """Whether HTML is named and not liked less than JSON; `*/*` alone, as programs send it, gets
    JSON."""
    liked = dict(_liked(part) for part in accept.lower().split(",")[:20])
    return liked.get(_HTML, 0.0) > 0.0 and liked[_HTML] >= liked.get("application/json", 0.0)


def _liked(part: str) -> tuple[str, float]:
    """A media type of `Accept` with its quality."""
    name, *parameters = (one.strip() for one in part.split(";"))
    quality = next((one[2:] for one in parameters if one.startswith("q=")), "1")
    try:
        return name, float(quality)
    except ValueError:
        return name, 0.0
