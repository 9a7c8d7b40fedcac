"""Fine-tuning that needs a GPU: it waits for one, starts, or gives up with a clear error."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable
from pathlib import Path

import pytest

from models.catalog import Task
from serving.specialists.loader import ModelSource
from serving.training import fine_tune_task
from serving.training.fine_tune_task import TrainingGpuUnavailable, find_adapter
from serving.training.language_model import LanguageModelAdapter, required_gpus

ROOT = Path(__file__).parents[3]
# Ray in a process of its own. `num_gpus` is what the cluster claims to have: no GPU is used.
_RUN = """
import asyncio, sys
import ray
from serving.cluster.slow_start import allow_slow_start
from serving.training.fine_tune_task import stream_fine_tuning
from serving.training.language_model import LanguageModelAdapter

async def run(gpus):
    adapter = LanguageModelAdapter("/no/base", "", profile="gpu", gpus=0.5)
    async for line in stream_fine_tuning(adapter, b"", 60, gpu_wait_s=gpus or 0.5):
        sys.stdout.buffer.write(line)

gpus = int(sys.argv[1])
with allow_slow_start(300):
    ray.init(num_cpus=1, num_gpus=gpus, include_dashboard=False, log_to_driver=False,
             object_store_memory=80 << 20)
asyncio.run(run(60 * gpus))
"""


async def ready(line: bytes) -> bytes:
    return line


async def lines_after(event: asyncio.Event) -> AsyncIterator[Awaitable[bytes]]:
    """The lines of a task that starts once the event is set."""
    await event.wait()
    yield ready(b"started")


async def collect(event: asyncio.Event, wait_s: float) -> list[bytes]:
    return [line async for line in fine_tune_task._wait_for_gpu(lines_after(event), wait_s)]


async def test_task_that_starts_at_once_sends_its_first_line_only() -> None:
    event = asyncio.Event()
    event.set()
    assert await collect(event, 60) == [b"started"]


async def test_waiting_is_reported_until_the_task_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fine_tune_task, "_GPU_REPORT_S", 0.001)
    event, told = asyncio.Event(), list[bytes]()
    async for line in fine_tune_task._wait_for_gpu(lines_after(event), 60):
        told.append(line)
        event.set()
    assert json.loads(told[0]) == {"progress": "The training waits for a GPU."}
    assert told[-1] == b"started"


async def test_waiting_ends_with_an_error_that_says_what_to_do() -> None:
    with pytest.raises(TrainingGpuUnavailable, match="MAAS_TRAINING_GPUS") as error:
        await collect(asyncio.Event(), 0.01)
    assert (error.value.status, error.value.code) == (503, "no_training_gpu")


@pytest.mark.usefixtures("processes")
@pytest.mark.parametrize(
    ("gpus", "last"),
    [(0, "no_training_gpu"), (1, "internal_error")],
)
def test_ray_starts_the_task_only_where_a_gpu_is_free(gpus: int, last: str) -> None:
    """With a GPU the training starts, and fails on this machine, which only claims to have one."""
    pytest.importorskip("ray")
    done = subprocess.run(
        [sys.executable, "-c", _RUN, str(gpus)], cwd=ROOT, capture_output=True, timeout=500
    )
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith(b"{")]
    assert lines, done.stderr.decode()[-2000:]
    assert lines[-1]["error"]["code"] == last
    first = "The training starts." if gpus else "The training waits for a GPU."
    assert lines[0] == {"progress": first}


class TestLanguageModelSource:
    def test_source_decides_profile_and_gpus(self) -> None:
        source = ModelSource(
            Task.TEXT_GENERATION, "", "industrial_llm", "maker/base", "gpu", training_gpus=0.4
        )
        adapter = find_adapter("m", source)
        assert adapter == LanguageModelAdapter("maker/base", "", 1.0, "gpu", 0.4)
        assert required_gpus(adapter) == 0.4

    def test_other_fine_tuning_needs_no_gpu(self) -> None:
        adapter = find_adapter("m", ModelSource(Task.ANOMALY_DETECTION, "", "anomaly"))
        assert required_gpus(adapter) == 0.0
