"""Token counters of all engines of a model, including engines that have ended.

`make chaos` uses real Ray Serve replicas that start and stop while their engines count; the other
tests replace Ray Serve's status.
"""

import asyncio
import json
import os
import subprocess
import sys
import threading
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import pytest
from prometheus_client import CollectorRegistry, Counter

from billing.reconciliation.usage_and_quotas import EngineCount
from gateway.operations.engine_counters import EngineCountsUnavailable, parse_engine_counts
from serving.readiness import ModelDeployment
from serving.text.ended_counters import EndedCounters
from serving.text.prometheus import METRIC_NAMES, render_metrics, render_uncounted_engines
from tests.support.chaos import in_full

MODEL = "small"
# In a separate process: Ray changes the global state of the process that imports it.
_PROGRAM = """
import asyncio, json, sys, time
from pathlib import Path
import ray
from prometheus_client import CollectorRegistry, Counter
from ray import serve
from serving.text.engine_counters import EngineCounters
from serving.text.ended_counters import EndedCounters
from serving.text.replica_counters import ReplicaCounters
from serving.text.prometheus import METRIC_NAMES, render_metrics, render_uncounted_engines
from serving.readiness import ModelDeployment
from serving.scaling import Scaling

FOLDER, MODEL, TARGET = Path(sys.argv[1]), sys.argv[2], 50
# Calls that name one of these files run until it is deleted, so that Ray Serve sees their load
# even on a slow machine.
HELD, LATER = FOLDER.parent / "held", FOLDER.parent / "later"
WHERE = ModelDeployment("text", "Engine", counts_tokens=True)

@serve.deployment(
    name="Engine",
    # Check the load every second; start with two replicas.
    autoscaling_config=Scaling(1, 2, TARGET, 3.0, 1.0).autoscaling_config()
    | {"initial_replicas": 2},
    ray_actor_options={"num_cpus": 0},
    graceful_shutdown_wait_loop_s=0.1,
    graceful_shutdown_timeout_s=60,
    max_ongoing_requests=1000,
)
class Engine:
    def __init__(self):
        registry = CollectorRegistry()
        self._tokens = [
            Counter(f"vllm:{kind}_tokens", "Of tokens.", ["model_name"], registry=registry)
            for kind in ("prompt", "generation")
        ]
        self._counting = ReplicaCounters(registry, FOLDER)
        time.sleep(2)

    async def __call__(self, held):
        while held is not None and held.exists():
            await asyncio.sleep(0.1)
        for tokens in self._tokens:
            tokens.labels(MODEL).inc(10)

    async def counters(self):
        return self._counting.render()

    async def __del__(self):
        self._counting.save_final()

def until_running(replicas):
    while True:
        states = serve.status().applications["text"].deployments["Engine"].replica_states
        if states == {"RUNNING": replicas}:
            return
        time.sleep(0.2)

def complete(text):
    return render_uncounted_engines(MODEL, 0) in text

# Return the first text that is marked incomplete.
async def until_short(counters):
    while complete(text := await counters.render({MODEL: True})):
        await asyncio.sleep(0.1)
    return text

async def until_complete(counters):
    while not complete(text := await counters.render({MODEL: True})):
        await asyncio.sleep(0.2)
    return text

async def main():
    said = {}
    counters = EngineCounters({MODEL: WHERE}, EndedCounters(FOLDER))
    handle = serve.get_deployment_handle("Engine", "text")
    HELD.touch()
    many = asyncio.gather(*(handle.remote(HELD) for _ in range(4 * TARGET)))
    await asyncio.to_thread(until_running, 2)
    await asyncio.gather(*(handle.remote(None) for _ in range(20)))
    said["two"] = await counters.render({MODEL: True})
    said["none runs"] = await counters.render({MODEL: False})
    # Ray Serve removes one replica while both still have running calls.
    LATER.touch()
    busy = asyncio.gather(*(handle.remote(LATER) for _ in range(20)))
    HELD.unlink()
    await many
    said["ending"] = await until_short(counters)
    LATER.unlink()
    await busy
    said["one"] = await until_complete(counters)
    said["left"] = len(EndedCounters(FOLDER).read_all())
    HELD.touch()
    busy = asyncio.gather(*(handle.remote(HELD) for _ in range(4 * TARGET)))
    said["starting"] = await until_short(counters)
    await asyncio.to_thread(until_running, 2)
    said["again"] = await until_complete(counters)
    said["left then"] = len(EndedCounters(FOLDER).read_all())
    HELD.unlink()
    await busy
    (FOLDER.parent / "said.json").write_text(json.dumps(said))

ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, configure_logging=False)
serve.run(Engine.bind(), name="text", route_prefix=None)
asyncio.run(main())
serve.shutdown()
"""


@pytest.mark.usefixtures("network", "processes")
@pytest.mark.skipif(not in_full(1, 0), reason="starts Ray Serve: `make chaos`")
def test_engine_counters_of_ray_replicas_are_complete_or_marked_incomplete(tmp_path: Path) -> None:
    if find_spec("ray") is None:
        pytest.skip("needs the serving-cpu extra: Ray Serve, which runs on Linux only")
    subprocess.run(
        [sys.executable, "-c", _PROGRAM, str(tmp_path / "counts"), MODEL],
        env={**os.environ, "RAY_USAGE_STATS_ENABLED": "0"},
        capture_output=True,
        check=True,
        timeout=900,
    )
    said = json.loads((tmp_path / "said.json").read_text())
    assert counted(said["two"]) == 200
    # Counters are still reported, but marked incomplete.
    for text in (said["ending"], said["starting"]):
        assert f'vllm:generation_tokens_total{{model_name="{MODEL}"' in text
        assert isinstance(parse_engine_counts(text)[MODEL], EngineCountsUnavailable)
    assert said["none runs"] == render_uncounted_engines(MODEL, 1)
    assert counted(said["one"]) == 2_400
    assert said["left"] == 1
    # A new engine deletes the counters of ended engines; running engines keep theirs.
    assert said["left then"] == 0
    assert 0 < counted(said["again"]) < 2_400


def counted(text: str) -> int:
    """Return the generated tokens as the gateway reads them."""
    count = parse_engine_counts(text)[MODEL]
    assert isinstance(count, EngineCount)
    return count.generated_tokens


def engine(count: int) -> CollectorRegistry:
    """Return an engine's registry after `count` tokens of each kind."""
    registry = CollectorRegistry()
    for kind in ("prompt", "generation"):
        made = Counter(f"vllm:{kind}_tokens", "Of tokens.", ["model_name"], registry=registry)
        made.labels(MODEL).inc(count)
    return registry


def tokens(count: int, replica: str = "one") -> str:
    return render_metrics(engine(count), METRIC_NAMES, replica)


def status_of(states: dict[str, int]) -> SimpleNamespace:
    """Return Ray Serve's status with the engine's replicas in these states."""
    deployments = {"Engine": SimpleNamespace(replica_states=states)}
    return SimpleNamespace(applications={"text": SimpleNamespace(deployments=deployments)})


@pytest.mark.parametrize(
    ("texts", "states", "missing"),
    [
        ([tokens(100), tokens(100, "two")], {"RUNNING": 2}, 0),
        ([tokens(100)], {"RUNNING": 1, "STARTING": 1}, 1),
        ([tokens(100)], {"RUNNING": 1, "STOPPING": 1}, 1),
    ],
)
async def test_engine_counters_report_number_of_missing_engines(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    texts: list[str],
    states: dict[str, int],
    missing: int,
) -> None:
    ray_counters = pytest.importorskip(
        "serving.text.engine_counters", reason="needs the serving-cpu extra"
    )
    monkeypatch.setattr(ray_counters, "broadcast", lambda handle, method: texts)
    monkeypatch.setattr(ray_counters.serve, "status", lambda: status_of(states))
    monkeypatch.setattr(ray_counters.serve, "get_deployment_handle", lambda *names: names)
    where = ModelDeployment("text", "Engine", counts_tokens=True)
    counters = ray_counters.EngineCounters({MODEL: where}, EndedCounters(tmp_path / "counts"))
    text = await counters.render({MODEL: True})
    assert render_uncounted_engines(MODEL, missing) in text
    if missing:
        assert isinstance(parse_engine_counts(text)[MODEL], EngineCountsUnavailable)
        assert f'vllm:generation_tokens_total{{model_name="{MODEL}"' in text
    else:
        assert counted(text) == 200
    assert await counters.render({MODEL: False}) == render_uncounted_engines(MODEL, 1)


async def test_first_queries_at_the_same_time_connect_one_after_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ray_counters = pytest.importorskip(
        "serving.text.engine_counters", reason="needs the serving-cpu extra"
    )
    first_is_in, second_is_in = threading.Event(), threading.Event()

    class Handle:
        """Fails as Ray's handle does if a second thread connects it before the first is done."""

        def __init__(self, *names: str) -> None:
            self.connecting = self.connected = False

        def connect(self) -> None:
            if self.connecting and not self.connected:
                second_is_in.set()
                raise RuntimeError("The handle has already been initialized.")
            self.connecting = True
            first_is_in.set()
            second_is_in.wait(0.2)
            self.connected = True

    def broadcast(handle: Handle, method: str) -> list[str]:
        handle.connect()
        return [tokens(100)]

    monkeypatch.setattr(ray_counters, "broadcast", broadcast)
    monkeypatch.setattr(ray_counters.serve, "status", lambda: status_of({"RUNNING": 1}))
    monkeypatch.setattr(ray_counters.serve, "get_deployment_handle", Handle)
    where = ModelDeployment("text", "Engine", counts_tokens=True)
    counters = ray_counters.EngineCounters({MODEL: where}, EndedCounters(tmp_path / "counts"))
    first = asyncio.create_task(counters.render({MODEL: True}))
    await asyncio.to_thread(first_is_in.wait, 5)
    second = asyncio.create_task(counters.render({MODEL: True}))
    assert [counted(text) for text in await asyncio.gather(first, second)] == [100, 100]


async def test_unexpected_error_of_ray_marks_the_engine_uncounted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ray_counters = pytest.importorskip(
        "serving.text.engine_counters", reason="needs the serving-cpu extra"
    )

    def broken(*names: str) -> None:
        raise RuntimeError("DeploymentHandle router is None.")

    monkeypatch.setattr(ray_counters.serve, "get_deployment_handle", broken)
    where = ModelDeployment("text", "Engine", counts_tokens=True)
    counters = ray_counters.EngineCounters({MODEL: where}, EndedCounters(tmp_path / "counts"))
    assert await counters.render({MODEL: True}) == render_uncounted_engines(MODEL, 1)


async def test_counters_of_ended_engine_are_included_until_replacement_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ray_counters = pytest.importorskip(
        "serving.text.engine_counters", reason="needs the serving-cpu extra"
    )
    counting = pytest.importorskip("serving.text.replica_counters")
    replica = SimpleNamespace(deployment="Engine", replica_tag="one")
    monkeypatch.setattr(counting.serve, "get_replica_context", lambda: replica)
    counters = ray_counters.EngineCounters({}, EndedCounters(tmp_path / "counts"))
    counting.ReplicaCounters(engine(300), tmp_path / "counts").save_final()
    assert counted(await counters.render({})) == 300
    counting.ReplicaCounters(engine(0), tmp_path / "counts")
    assert EndedCounters(tmp_path / "counts").read_all() == []
