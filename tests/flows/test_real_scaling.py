"""Specialists that sleep, wake and die, with the real Ray Serve and no other models."""

import asyncio
import base64
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from infra.processes import stop
from tests.flows.conftest import WEIGHTS, wait_until_ready
from tests.support.builders import REMAINING_LIFE
from tests.support.maas_process import free_port
from tests.support.models.artefacts import write_artefact

pytestmark = pytest.mark.serving

VARIANT = f"/v2/models/var_{7:032x}"
ROW = {
    "inputs": [
        {"name": "grade", "datatype": "BYTES", "shape": [1], "data": ["L"]},
        {"name": "heat", "datatype": "FP32", "shape": [1], "data": [300.0]},
        {"name": "count", "datatype": "INT64", "shape": [1], "data": [1]},
    ]
}
# `python -m serving`, with the specialists of the catalog only.
SERVE = """
import sys
import serving.__main__ as command
from models.catalog import SPECIALIST_TASKS, load_catalog
command.load_catalog = lambda profile: load_catalog(profile).only(
    lambda model: model.task in SPECIALIST_TASKS
)
sys.exit(command.main())
"""


class Sleepy:
    """A serving whose specialists may have no replica."""

    def __init__(self, process: subprocess.Popen[bytes], url: str) -> None:
        self._process = psutil.Process(process.pid)
        self.http = httpx.AsyncClient(base_url=url, timeout=60)

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
def sleepy() -> Iterator[Sleepy]:
    if find_spec("ray") is None:
        pytest.skip("needs the serving-cpu extra: Ray Serve, which runs on Linux only")
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="maas-serving-") as folder:
        WEIGHTS.mkdir(parents=True, exist_ok=True)
        (Path(folder) / "weights").symlink_to(WEIGHTS)
        arguments = ["--data-dir", folder, "--port", str(port), "--exit-with-parent"]
        arguments += ["--specialist-min-replicas", "0", "--specialist-idle-s", "1"]
        with pytest.MonkeyPatch.context() as patched:
            patched.delenv("COVERAGE_PROCESS_CONFIG", raising=False)
            child = subprocess.Popen(
                [sys.executable, "-c", SERVE, *arguments],
                stdout=subprocess.PIPE,
                process_group=0,
            )
        try:
            wait_until_ready(child)
            yield Sleepy(child, f"http://127.0.0.1:{port}")
        finally:
            stop(child, 30)
            assert child.stdout is not None
            child.stdout.close()


async def test_sleeps_ready_and_wakes_with_its_variants(sleepy: Sleepy, tmp_path: Path) -> None:
    artefact = base64.b64encode(await asyncio.to_thread(_artefact, tmp_path)).decode()
    given: dict[str, Any] = {"base": REMAINING_LIFE, "name": "v", "version": "1"}
    async with sleepy.http as http:
        await sleepy.until(lambda: not sleepy.replicas())
        # What is polled says that all is well, and wakes nobody.
        until = time.monotonic() + 5
        while time.monotonic() < until:
            assert (await http.get("/v2/health/ready")).status_code == 200
            assert (await http.get("/v2/metrics")).status_code == 200
        assert not sleepy.replicas()
        assert (await http.post(f"{VARIANT}/infer", json=ROW)).status_code == 404
        answer = await http.put(VARIANT, json={**given, "artefact": artefact})
        assert answer.json() == {"name": "v", "ready": True}
        # Another process, which was given nothing.
        (first,) = sleepy.replicas()
        await sleepy.until(lambda: not sleepy.replicas())
        answer = await http.post(f"{VARIANT}/infer", json=ROW)
        assert answer.json()["outputs"][0]["data"] == [600.0]
        (second,) = sleepy.replicas()
        assert first != second
        second.kill()
        # Until its death is noticed a request may break off, but none is refused for the variant.
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
