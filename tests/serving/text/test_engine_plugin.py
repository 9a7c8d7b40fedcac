"""The vLLM plugin: installed, and effective on a CPU only."""

from importlib.metadata import entry_points
from typing import TYPE_CHECKING

import pytest

from infra.lazy_import import LazyModule
from tests.support.heavy import NEEDS_VLLM

if TYPE_CHECKING:
    from serving.text import engine_plugin
else:
    engine_plugin = LazyModule("serving.text.engine_plugin")

pytestmark = NEEDS_VLLM


class Condition:
    """The state of a reader whose last message has just arrived: vLLM polls again at once."""

    is_reader = True
    busy_loop_s = 1.0
    last_read = float("inf")


def test_vllm_discovers_engine_plugin() -> None:
    (found,) = (one for one in entry_points(group="vllm.general_plugins") if one.name == "maas")
    assert found.load() is engine_plugin.register


@pytest.mark.parametrize("on_cpu", [True, False])
def test_reader_sleeps_between_polls_on_a_cpu_only(
    on_cpu: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    shm_broadcast = engine_plugin.shm_broadcast
    asleep: list[float] = []
    given_way: list[str] = []
    monkeypatch.setattr(shm_broadcast, "sched_yield", lambda: given_way.append("once"))
    monkeypatch.setattr(engine_plugin.time, "sleep", asleep.append)
    monkeypatch.setattr(engine_plugin.current_platform, "is_cpu", lambda: on_cpu)
    engine_plugin.register()
    shm_broadcast.SpinCondition.wait(Condition())  # type: ignore[arg-type]
    assert (asleep, given_way) == (([0.0002], []) if on_cpu else ([], ["once"]))
