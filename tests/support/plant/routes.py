"""The routes of the API below a path."""

import inspect
from collections.abc import Iterator

from litestar import Controller
from litestar.handlers import HTTPRouteHandler

from gateway.api.routes import API_ROUTES

PLANT = "/v1/plant"


def plant_routes() -> Iterator[tuple[str, str]]:
    """Yield method and path template of each endpoint of the plant."""
    return routes_below(PLANT)


def routes_below(start: str) -> Iterator[tuple[str, str]]:
    """Yield method and path template of each endpoint below a path."""
    for controller in API_ROUTES:
        if not (inspect.isclass(controller) and issubclass(controller, Controller)):
            continue
        for handler in vars(controller).values():
            if not isinstance(handler, HTTPRouteHandler):
                continue
            for path in sorted(handler.paths):
                full = f"{controller.path}{path}".rstrip("/")
                if full.startswith(start):
                    yield from ((method, full) for method in sorted(handler.http_methods))
