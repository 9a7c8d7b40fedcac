"""`GET /`: redirect browsers to the dashboard, and describe the service to programs as JSON.

Needs no API key and reveals nothing that `/docs` does not.
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
# The response depends on `Accept`, which caches must take into account.
_HEADERS = {"vary": "Accept", "cache-control": "no-store"}


@route("/", http_method=["GET", "HEAD"], include_in_schema=False, sync_to_thread=False)
def front(request: Request[Any, Any, Any], settings: NamedDependency[Settings]) -> Response[Any]:
    """Redirect browsers to the dashboard, or to `/docs` without one; send JSON to programs."""
    if _prefers_html(request.headers.get("accept", "")):
        location = "/dashboard" if settings.dashboard else "/docs"
        return Redirect(location, status_code=303, headers=_HEADERS)
    description = {
        "name": NAME,
        "version": version(_PACKAGE),
        "docs": "/docs",
        "openapi": "/openapi.json",
        "health": "/health/ready",
    }
    return Response(description, headers=_HEADERS)


def _prefers_html(accept: str) -> bool:
    """Return whether `Accept` names HTML with at least the quality of JSON.

    `*/*` alone, which programs send, gets JSON.
    """
    qualities = dict(_media_type_quality(part) for part in accept.lower().split(",")[:20])
    return qualities.get(_HTML, 0.0) > 0.0 and qualities[_HTML] >= qualities.get(
        "application/json", 0.0
    )


def _media_type_quality(part: str) -> tuple[str, float]:
    """Return a media type of `Accept` with its quality, 0 if the quality is malformed."""
    name, *parameters = (parameter.strip() for parameter in part.split(";"))
    quality = next((parameter[2:] for parameter in parameters if parameter.startswith("q=")), "1")
    try:
        return name, float(quality)
    except ValueError:
        return name, 0.0
