"""What stories of this package need: the real models, started once as `maas up` starts them, and a
calendar for those of billing."""

import json
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from openai import AsyncOpenAI

from infra.db import Database
from infra.processes import start_module, stop
from tests.support import builders
from tests.support.builders import Gateway, run_gateway
from tests.support.fakes.otlp_collector import Collector, run_collector
from tests.support.maas_process import free_port
from tests.support.stories.story import Story

# Kept between runs: converting the weights again would teach nothing.
WEIGHTS = Path(__file__).parent.parent.parent / "build" / "weights"


@pytest.fixture(scope="session")
async def spans() -> AsyncIterator[Collector]:
    """Where the real models send the spans of calls that a gateway traces."""
    async with run_collector() as collector:
        yield collector


@pytest.fixture(scope="session")
def serving_url(spans: Collector) -> Iterator[str]:
    """Where all models of the CPU profile answer."""
    if find_spec("vllm") is None or find_spec("ray") is None:
        pytest.skip("needs the serving-cpu extra: Ray Serve and vLLM, which run on Linux only")
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="maas-serving-") as folder:
        WEIGHTS.mkdir(parents=True, exist_ok=True)
        (Path(folder) / "weights").symlink_to(WEIGHTS)
        arguments = ["--data-dir", folder, "--profile", "cpu", "--port", str(port)]
        arguments += ["--exit-with-parent"]
        with pytest.MonkeyPatch.context() as patched:
            # To trace all that Ray and vLLM import would take nine minutes of their start.
            patched.delenv("COVERAGE_PROCESS_CONFIG", raising=False)
            traced = {"MAAS_OTLP_ENDPOINT": spans.url, "NO_PROXY": "127.0.0.1"}
            child = start_module("serving", arguments, traced, stdout=subprocess.PIPE)
        try:
            wait_until_ready(child)
            yield f"http://127.0.0.1:{port}"
        finally:
            stop(child, 30)
            assert child.stdout is not None
            child.stdout.close()


@pytest.fixture
async def real(serving_url: str, database_url: str, tmp_path: Path) -> AsyncIterator[Gateway]:
    """A gateway in front of the real models."""
    async with run_gateway(builders.settings(database_url, tmp_path, serving_url)) as running:
        yield running


@pytest.fixture
async def openai(real: Gateway) -> AsyncIterator[AsyncOpenAI]:
    """The official client, with the first account's key."""
    async with AsyncOpenAI(
        base_url=f"{real.url}/v1", api_key=real.key.secret, max_retries=0
    ) as client:
        yield client


@pytest.fixture
async def story(database: Database) -> Story:
    """A billing story in October 2026, in China."""
    return Story(database)


def wait_until_ready(child: subprocess.Popen[bytes]) -> None:
    said = {"message": "nothing"}
    for line in child.stdout or ():
        if not line.startswith(b"{"):
            continue
        said = json.loads(line)
        sys.stderr.write(f"{said['message']}\n")
        if said["stage"] == "ready":
            return
    raise RuntimeError(f"serving ended with code {child.wait()}, saying: {said['message']}")
