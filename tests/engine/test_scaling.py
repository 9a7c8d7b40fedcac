"""Specialists that scale to zero and back and whose processes are killed, with the real Ray Serve.
In the engine shared by all tests a specialist has no process until its first call."""

import asyncio
import base64
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from tests.support.builders import REMAINING_LIFE
from tests.support.engine.process import EngineFolder
from tests.support.models.artefacts import write_artefact

# Without a pause the requests would occupy the cores: each reads the state of all replicas.
_POLL_S = 0.25
VARIANT = f"/v2/models/var_{7:032x}"
ROW = {
    "inputs": [
        {"name": "grade", "datatype": "BYTES", "shape": [1], "data": ["L"]},
        {"name": "heat", "datatype": "FP32", "shape": [1], "data": [300.0]},
        {"name": "count", "datatype": "INT64", "shape": [1], "data": [1]},
    ]
}


class Sleepy:
    """A serving whose specialists may scale to zero."""

    def __init__(self, process: psutil.Process, url: str) -> None:
        self._process = process
        self.http = httpx.AsyncClient(base_url=url, timeout=120)

    def replicas(self) -> list[psutil.Process]:
        below = self._process.children(recursive=True)
        return [one for one in below if "specialists:SpecialistApp" in _title(one)]

    async def until(self, fact: Callable[[], bool]) -> None:
        for _ in range(450):
            if fact():
                return
            await asyncio.sleep(0.2)
        raise AssertionError("it does not come to that")


@pytest.fixture
def sleepy(serving_url: str, engine_folder: EngineFolder) -> Sleepy:
    started = engine_folder.started
    assert started is not None
    return Sleepy(psutil.Process(started.pid), serving_url)


@pytest.mark.alone
async def test_specialist_scales_to_zero_and_restarts_with_its_variants(
    sleepy: Sleepy, tmp_path: Path
) -> None:
    artefact = base64.b64encode(await asyncio.to_thread(_artefact, tmp_path)).decode()
    given: dict[str, Any] = {"base": REMAINING_LIFE, "name": "v", "version": "1"}
    async with sleepy.http as http:
        await sleepy.until(lambda: not sleepy.replicas())
        # Polling readiness and metrics succeeds and starts no replica.
        until = time.monotonic() + 5
        while time.monotonic() < until:
            assert (await http.get("/v2/health/ready")).status_code == 200
            assert (await http.get("/v2/metrics")).status_code == 200
            await asyncio.sleep(_POLL_S)
        assert not sleepy.replicas()
        assert (await http.post(f"{VARIANT}/infer", json=ROW)).status_code == 404
        answer = await http.put(VARIANT, json={**given, "artefact": artefact})
        assert answer.json() == {"name": "v", "ready": True}
        # A new process, which did not receive the variant.
        (first,) = sleepy.replicas()
        await sleepy.until(lambda: not sleepy.replicas())
        answer = await http.post(f"{VARIANT}/infer", json=ROW)
        assert answer.json()["outputs"][0]["data"] == [600.0]
        (second,) = sleepy.replicas()
        assert first != second
        second.kill()
        # Until Ray notices the killed process, requests may fail, but not for a missing variant.
        said = 500
        for _ in range(60):
            said = (await http.post(f"{VARIANT}/infer", json=ROW)).status_code
            if said != 500:
                break
            await asyncio.sleep(0.5)
        assert said == 200


def _artefact(folder: Path) -> bytes:
    return write_artefact(folder / "tiny.onnx").read_bytes()


def _title(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return ""
