"""The files that pages load: our style and script, and the libraries' from their packages.

Every file is compressed once at the start and kept only so; its address carries a hash of its
content, so that browsers keep it for good and never an old one. Nothing is loaded from elsewhere: a
plant's network has no internet.
"""

import gzip
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import Any

from litestar import Request, Response

from gateway.dashboard.errors import PageNotFound

BASE = "/dashboard/assets"
_OWN = Path(__file__).parent / "static"
# From packages of which nothing runs (docs/decisions/0025-charts-and-htmx-from-wheels.md).
_OTHERS: Mapping[str, tuple[str, str]] = {
    "htmx.js": ("django_htmx", "static/django_htmx/htmx-2.min.js"),
    "chart.js": ("unfold", "static/unfold/js/chart/chart.js"),
}
_TYPES = {
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
    """A file: its address, and its content compressed."""

    address: str
    media_type: str
    compressed: bytes


class Assets:
    """All files, by name for templates and by address for browsers."""

    def __init__(self) -> None:
        self.by_name: Mapping[str, Asset] = MappingProxyType(
            {name: _asset(name, content) for name, content in _files()}
        )
        self._by_address = {asset.address: asset for asset in self.by_name.values()}

    def address(self, name: str) -> str:
        """Raises KeyError where there is no such file: a template's mistake."""
        return self.by_name[name].address

    def answer(self, request: Request[Any, Any, Any]) -> Response[bytes]:
        """The file at the request's address. Raises PageNotFound."""
        asset = self._by_address.get(request.url.path)
        if asset is None:
            raise PageNotFound("There is no such file.")
        taken = request.headers.get("accept-encoding", "")
        if "gzip" in taken:
            headers = {**_HEADERS, "content-encoding": "gzip"}
            return Response(asset.compressed, media_type=asset.media_type, headers=headers)
        content = gzip.decompress(asset.compressed)
        return Response(content, media_type=asset.media_type, headers=_HEADERS)


def _files() -> Iterator[tuple[str, bytes]]:
    for file in sorted(_OWN.iterdir()):
        yield file.name, file.read_bytes()
    for name, (package, path) in _OTHERS.items():
        yield name, (_folder(package) / path).read_bytes()


def _folder(package: str) -> Path:
    """Where a package lies, without importing it."""
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise FileNotFoundError(f"The package {package!r} is not installed.")
    return Path(spec.origin).parent


def _asset(name: str, content: bytes) -> Asset:
    stem, _, ending = name.rpartition(".")
    digest = hashlib.sha256(content).hexdigest()[:12]
    address = f"{BASE}/{stem}.{digest}.{ending}"
    # No time in it: the same file has the same bytes in every process.
    return Asset(address, _TYPES[f".{ending}"], gzip.compress(content, 9, mtime=0))
