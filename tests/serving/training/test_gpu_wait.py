"""Fine-tuning that needs a GPU: it waits for one, starts, or gives up with a clear error."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable
from pathlib import Path

import pytest

from models.catalog import Task
from models.industrial_llm.recipes import BaseModelUnsupported
from serving.specialists.loader import ModelSource
from serving.text.adapter_store import AdapterSettings
from serving.training import fine_tune_task
from serving.training.fine_tune_task import TrainingGpuUnavailable, find_adapter
from serving.training.language_model import (
    LanguageModelAdapter,
    required_gpus,
    required_settings,
)
from tests.support.nightly import nightly

ROOT = Path(__file__).parents[3]
# Ray in a process of its own. `num_gpus` is what the cluster claims to have: no GPU is used.
_RUN = """
import asyncio, sys
import ray
from serving.cluster.slow_start import allow_slow_start
from serving.training.fine_tune_task import stream_fine_tuning
from serving.training.language_model import LanguageModelAdapter

async def run(gpus):
    adapter = LanguageModelAdapter("/no/base", "Qwen/Qwen3.5-9B", gpus=0.5)
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
    waits = "The training waits for a GPU."
    assert json.loads(told[0]) == {
        "progress": waits,
        "sentence": {"template": waits, "values": {}},
    }
    assert told[-1] == b"started"


async def test_waiting_ends_with_an_error_that_says_what_to_do() -> None:
    with pytest.raises(TrainingGpuUnavailable, match="MAAS_TRAINING_GPUS") as error:
        await collect(asyncio.Event(), 0.01)
    assert (error.value.status, error.value.code) == (503, "no_training_gpu")


@nightly
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
    assert lines[0] == {"progress": first, "sentence": {"template": first, "values": {}}}


class TestLanguageModelSource:
    def source(self, base: str, location: str = "") -> ModelSource:
        return ModelSource(
            Task.TEXT_GENERATION, location, "industrial_llm", base, training_gpus=0.4
        )

    @pytest.mark.parametrize("base", ["Qwen/Qwen3.5-9B", "/weights/qwen3.5-9b/"])
    def test_base_without_an_industry_adapter_is_named_by_its_weights(self, base: str) -> None:
        adapter = find_adapter("m", self.source(base))
        assert adapter == LanguageModelAdapter(base, "Qwen/Qwen3.5-9B", gpus=0.4)
        assert required_gpus(adapter) == 0.4
        assert required_settings(self.source(base)) == AdapterSettings("Qwen/Qwen3.5-9B", 16, None)

    def test_industry_adapter_names_the_base_and_the_settings(self, tmp_path: Path) -> None:
        base, layers = "google/gemma-3-270m", frozenset({"q", "v"})
        settings = {"base_model_name_or_path": base, "r": 4, "target_modules": sorted(layers)}
        (tmp_path / "adapter_config.json").write_text(json.dumps(settings))
        source = self.source("/converted/weights", str(tmp_path))
        adapter = find_adapter("m", source)
        assert adapter == LanguageModelAdapter("/converted/weights", base, str(tmp_path), gpus=0.4)
        assert required_settings(source) == AdapterSettings(base, 4, layers)

    def test_unknown_base_is_refused_with_the_known_ones_and_without_its_path(self) -> None:
        with pytest.raises(BaseModelUnsupported) as error:
            find_adapter("m", self.source("/srv/secret/other-7b"))
        assert (error.value.status, error.value.code) == (400, "base_model_unsupported")
        assert "'other-7b' cannot be fine-tuned, only those on Qwen/" in error.value.message
        assert "/srv" not in error.value.message

    def test_other_fine_tuning_needs_no_gpu(self) -> None:
        adapter = find_adapter("m", ModelSource(Task.ANOMALY_DETECTION, "", "anomaly"))
        assert required_gpus(adapter) == 0.0
