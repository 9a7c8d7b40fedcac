"""Downloads from a model hub on a real socket: resumed, refused, cut off, hanging."""

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread

import httpx
import pytest

from serving.weights import hub_download
from serving.weights.hub_download import HubFile, HubUnavailable, download_from_hub

CONTENT = bytes(range(256)) * 64
FILE = HubFile("maker/model", "model.gguf", "abc")
pytestmark = pytest.mark.usefixtures("network")


class Hub:
    """What a hub does with requests, and the `Range` and `Authorization` headers that it got."""

    def __init__(self) -> None:
        self.status = 0
        self.sent = len(CONTENT)
        self.honours_ranges = True
        self.hangs: Event | None = None
        self.ranges: list[str | None] = []
        self.tokens: list[str | None] = []
        self.paths: list[str] = []


@contextmanager
def run_hub(hub: Hub) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            hub.ranges.append(self.headers.get("range"))
            hub.tokens.append(self.headers.get("authorization"))
            hub.paths.append(self.path)
            if hub.hangs is not None:
                hub.hangs.wait(30)
                return
            start = 0
            if hub.honours_ranges and (wanted := self.headers.get("range")):
                start = int(wanted.removeprefix("bytes=").removesuffix("-"))
            status = hub.status or (206 if start else 200)
            if start > len(CONTENT):
                status = 416
            self.send_response(status)
            content = CONTENT[start:] if status in (200, 206) else b"no"
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content[: max(0, hub.sent - start)])

        def log_message(self, *_arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        if hub.hangs is not None:
            hub.hangs.set()
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    state = Hub()
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.delenv("HF_TOKEN", raising=False)
    with run_hub(state) as url:
        monkeypatch.setenv("HF_ENDPOINT", url + "/")
        yield state


def silent(message: str, fraction: float | None) -> None:
    pass


def test_source_names_repository_and_file() -> None:
    assert HubFile.parse("maker/model/a/b.gguf", None) == HubFile("maker/model", "a/b.gguf", "main")
    assert HubFile.parse("only/two", None) is None
    assert HubFile.parse("../../etc/passwd x", None) is None


def test_file_is_downloaded_with_progress(hub: Hub, tmp_path: Path) -> None:
    told: list[float | None] = []
    download_from_hub(FILE, tmp_path / "f", lambda _, fraction: told.append(fraction))
    assert (tmp_path / "f").read_bytes() == CONTENT
    assert hub.paths == ["/maker/model/resolve/abc/model.gguf"]
    assert told[-1] == 1.0
    assert [path.name for path in tmp_path.iterdir()] == ["f"]


def test_token_is_sent(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_x")
    download_from_hub(FILE, tmp_path / "f", silent)
    assert hub.tokens == ["Bearer hf_x"]


def test_interrupted_download_is_continued(hub: Hub, tmp_path: Path) -> None:
    hub.sent = 5_000
    with pytest.raises(HubUnavailable):
        download_from_hub(FILE, tmp_path / "f", silent)
    assert (tmp_path / "f.partial").read_bytes() == CONTENT[:5_000]
    hub.sent = len(CONTENT)
    download_from_hub(FILE, tmp_path / "f", silent)
    assert hub.ranges == [None, "bytes=5000-"]
    assert (tmp_path / "f").read_bytes() == CONTENT


def test_hub_without_ranges_sends_the_file_again(hub: Hub, tmp_path: Path) -> None:
    (tmp_path / "f.partial").write_bytes(b"x" * 100)
    hub.honours_ranges = False
    download_from_hub(FILE, tmp_path / "f", silent)
    assert (tmp_path / "f").read_bytes() == CONTENT


def test_partial_file_that_is_too_long_is_discarded(hub: Hub, tmp_path: Path) -> None:
    (tmp_path / "f.partial").write_bytes(CONTENT + b"more")
    with pytest.raises(HubUnavailable, match="does not fit"):
        download_from_hub(FILE, tmp_path / "f", silent)
    assert not (tmp_path / "f.partial").exists()


@pytest.mark.parametrize("status", [401, 403, 404, 429, 500])
def test_refusing_hub_is_unavailable(hub: Hub, tmp_path: Path, status: int) -> None:
    hub.status = status
    with pytest.raises(HubUnavailable, match=f"status {status}"):
        download_from_hub(FILE, tmp_path / "f", silent)
    assert not list(tmp_path.iterdir())


def test_hanging_hub_is_unavailable(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.hangs = Event()
    monkeypatch.setattr(hub_download, "_TIMEOUT", httpx.Timeout(0.2))
    with pytest.raises(HubUnavailable, match="ReadTimeout"):
        download_from_hub(FILE, tmp_path / "f", silent)


def test_unreachable_hub_is_unavailable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:1")
    with pytest.raises(HubUnavailable, match="ConnectError"):
        download_from_hub(FILE, tmp_path / "f", silent)


def test_offline_mode_asks_no_hub(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(HubUnavailable, match="HF_HUB_OFFLINE"):
        download_from_hub(FILE, tmp_path / "f", silent)
    assert not hub.paths
