"""Recordings are made with the pinned engine and belong to existing tests."""

import re
from pathlib import Path

import httpx
import pytest

from tests.support.builders import CATALOG
from tests.support.recording.recordings import (
    ENGINE,
    FOLDER,
    REPLAYED,
    Answer,
    Recording,
    Request,
)
from tests.support.recording.servers import replaying

ROOT = Path(__file__).parents[3]
FILES = sorted(FOLDER.glob("*.json"))
MOST_BYTES = 2_000_000


def pinned(path: str, name: str) -> str:
    found = re.search(rf'^[\s"]*{name}(?:\[\w+\])?==([^;"\s]+)', (ROOT / path).read_text(), re.M)
    assert found is not None, f"{path} does not pin {name}"
    return found[1]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_recordings_are_made_with_the_pinned_engine(path: Path) -> None:
    """If it fails: `make record`."""
    recording = Recording.read(path)
    for file in ("constraints.txt", "pyproject.toml"):
        assert recording.versions == {name: pinned(file, name) for name in ENGINE}
    assert set(recording.models) <= set(CATALOG.models)


def test_each_recording_has_a_test_module_and_a_limited_size() -> None:
    tests = {path.stem for path in (ROOT / REPLAYED).glob("test_*.py")}
    assert {f"test_{path.stem}" for path in FILES} == tests
    assert sum(path.stat().st_size for path in FILES) <= MOST_BYTES


@pytest.mark.usefixtures("network")
async def test_request_without_a_recording_fails_the_test(tmp_path: Path) -> None:
    known = Request.of("POST", "/v1/x", b'{"model": "m", "a": 1}')
    answer = Answer(
        200, {"content-type": "text/event-stream"}, True, ["data: 1\n\n", "data: 2\n\n"]
    )
    recording = Recording(tmp_path / "x.json", exchanges=[(known, answer)])
    recording.write()
    with pytest.raises(AssertionError, match=r"has no answer to POST /v1/x with .*'a': 2"):
        await _ask(recording.path)


async def _ask(path: Path) -> None:
    """Send the recorded request in another JSON notation, then one that is not recorded."""
    async with (
        replaying(Recording.read(path)) as url,
        httpx.AsyncClient(base_url=url, trust_env=False) as http,
    ):
        same = await http.post("/v1/x", content=b'{"a":1,"model":"m"}')
        assert (same.status_code, same.text) == (200, "data: 1\n\ndata: 2\n\n")
        assert (await http.post("/v1/x", json={"model": "m", "a": 2})).status_code == 501
