"""Version headers of EPCIS 2.0: what clients may ask for, and what every response states."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from litestar import Request, Response

from gateway.asgi.log_context import bind_request
from gateway.plant.epcis.errors import VersionUnsupported

PATH = "/v1/plant/epcis"
VERSION = "2.0.0"
VERSION_HEADERS = {"GS1-EPCIS-Version": VERSION, "GS1-CBV-Version": VERSION}
_NAMES = ("epcis", "cbv")


async def require_version(request: Request[Any, Any, Any]) -> None:
    """Raise VersionUnsupported if a request asks for versions without 2.0.

    A hook of a controller replaces that of the application, so its work is done here too.
    """
    await bind_request(request)
    for name in _NAMES:
        for part in ("version", "min", "max"):
            header = f"gs1-{name}-{part}"
            asked = request.headers.get(header)
            if asked is None:
                continue
            found = _parse(asked)
            is_met = {
                "version": found[:2] == (2, 0),
                "min": found <= (2, 0, 0),
                "max": found >= (2, 0, 0) or found == (2, 0),
            }[part]
            if not is_met:
                raise VersionUnsupported(f"This service has EPCIS and CBV {VERSION}.", param=header)


async def add_version(response: Response[Any]) -> Response[Any]:
    """Add the version headers to a response."""
    for name, value in VERSION_HEADERS.items():
        response.headers[name] = value
    return response


def page_headers(
    path: str, pairs: Sequence[tuple[str, str]], token: str | None
) -> Mapping[str, str]:
    """Return the headers of a page with the link to the next one."""
    if token is None:
        return {}
    query = [pair for pair in pairs if pair[0] != "nextPageToken"]
    address = f"{path}?{urlencode([*query, ('nextPageToken', token)])}"
    return {"link": f'<{address}>; rel="next"'}


def _parse(text: str) -> tuple[int, ...]:
    """Return a version as numbers, empty if it is none."""
    parts = text.strip().split(".")
    if not all(part.isascii() and part.isdigit() and len(part) < 6 for part in parts):
        return ()
    return tuple(int(part) for part in parts[:3])
