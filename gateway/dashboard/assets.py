"""Static files of the dashboard: its own CSS and JavaScript, and the frontend libraries.

Files are gzip-compressed once at start. URLs carry a content hash, so browsers cache them
permanently. Nothing is loaded from a CDN: plant networks have no internet access.
"""

import gzip
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from litestar import Request, Response

from gateway.dashboard.errors import PageNotFound
from infra.frontend_files import frontend_folder

ASSETS_PATH = "/dashboard/assets"
_STATIC_FOLDER = Path(__file__).parent / "static"
# From other projects (infra/frontend_files.py).
_LIBRARIES = ("htmx.js", "chart.js")
_MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_HEADERS = {
    "cache-control": "public, max-age=31536000, immutable",
    "vary": "accept-encoding",
    "x-content-type-options": "nosniff",
}


@dataclass(frozen=True, slots=True)
class Asset:
    """A static file: its URL path and its gzip-compressed content."""

    address: str
    media_type: str
    compressed: bytes


class Assets:
    """All static files, by name for templates and by URL path for requests."""

    def __init__(self) -> None:
        self.by_name: Mapping[str, Asset] = MappingProxyType(
            {name: _build_asset(name, content) for name, content in _files()}
        )
        self._by_address = {asset.address: asset for asset in self.by_name.values()}

    def address(self, name: str) -> str:
        """Return the URL path of a file. Raises KeyError for a name that a template misspells."""
        return self.by_name[name].address

    def respond(self, request: Request[Any, Any, Any]) -> Response[bytes]:
        """Return the file at the request's path, compressed if accepted. Raises PageNotFound."""
        asset = self._by_address.get(request.url.path)
        if asset is None:
            raise PageNotFound("File not found.")
        accepted = request.headers.get("accept-encoding", "")
        if "gzip" in accepted:
            headers = {**_HEADERS, "content-encoding": "gzip"}
            return Response(asset.compressed, media_type=asset.media_type, headers=headers)
        content = gzip.decompress(asset.compressed)
        return Response(content, media_type=asset.media_type, headers=_HEADERS)


def _files() -> Iterator[tuple[str, bytes]]:
    """Yield the name and content of every static file."""
    for file in sorted(_STATIC_FOLDER.iterdir()):
        yield file.name, file.read_bytes()
    folder = frontend_folder()
    for name in _LIBRARIES:
        yield name, (folder / name).read_bytes()


def _build_asset(name: str, content: bytes) -> Asset:
    """Compress a file and put its content hash into its URL."""
    stem, _, extension = name.rpartition(".")
    digest = hashlib.sha256(content).hexdigest()[:12]
    address = f"{ASSETS_PATH}/{stem}.{digest}.{extension}"
    # Without a timestamp, the compressed bytes are the same in every process.
    return Asset(address, _MEDIA_TYPES[f".{extension}"], gzip.compress(content, 9, mtime=0))
