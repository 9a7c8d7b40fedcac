"""Local advisories: a copy of OSV's for PyPI, served with the API of OSV.

pip-audit reads advisories only from a service; this is a local one.
"""

import json
import threading
import zipfile
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

Advisories = Mapping[str, list[dict[str, Any]]]


@contextmanager
def serving_advisories(place: Path) -> Iterator[str]:
    """Serve the advisories of a folder or archive of JSON files; yields the URL."""
    advisories = _by_package(_read(place))

    class Answering(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
            body = json.dumps(answer(advisories, asked)).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """No log: the report has a line for each request."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1/query"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def answer(advisories: Advisories, asked: Mapping[str, Any]) -> dict[str, Any]:
    """The response of OSV's service for one version of a package."""
    name, version = canonicalize_name(asked["package"]["name"]), asked["version"]
    found = [one for one in advisories.get(name, ()) if _concerns(one, name, version)]
    return {"vulns": found} if found else {}


def _concerns(advisory: Mapping[str, Any], name: str, version: str) -> bool:
    if advisory.get("withdrawn"):
        return False
    for affected in advisory["affected"]:
        if canonicalize_name(affected["package"]["name"]) == name:
            if version in affected.get("versions", ()):
                return True
            spans = (one for one in affected.get("ranges", ()) if one["type"] == "ECOSYSTEM")
            if any(_within(span["events"], version) for span in spans):
                return True
    return False


def _within(events: list[dict[str, str]], version: str) -> bool:
    """Whether a version is between the introducing and the fixing version."""
    inside = False
    for event in events:
        ((kind, at),) = event.items()
        if kind == "introduced" and (at == "0" or _version(at) <= _version(version)):
            inside = True
        if kind == "fixed" and _version(at) <= _version(version):
            inside = False
        if kind == "last_affected" and _version(at) < _version(version):
            inside = False
    return inside


def _version(text: str) -> Version:
    try:
        return Version(text)
    except InvalidVersion:
        return Version("0")


def _by_package(advisories: Iterator[dict[str, Any]]) -> Advisories:
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for one in advisories:
        packages = (affected["package"] for affected in one.get("affected", ()))
        for name in {canonicalize_name(p["name"]) for p in packages if p["ecosystem"] == "PyPI"}:
            found[name].append(one)
    return found


def _read(place: Path) -> Iterator[dict[str, Any]]:
    if place.is_dir():
        for file in sorted(place.glob("*.json")):
            yield json.loads(file.read_bytes())
        return
    with zipfile.ZipFile(place) as archive:
        for name in archive.namelist():
            if name.endswith(".json"):
                yield json.loads(archive.read(name))
