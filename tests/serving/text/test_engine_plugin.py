"""The vLLM plugin: installed, and effective on a CPU only."""

from importlib import import_module
from importlib.metadata import entry_points
from typing import TYPE_CHECKING

import pytest

from infra.lazy_import import LazyModule
from tests.support.heavy import NEEDS_VLLM

if TYPE_CHECKING:
    from vllm.v1.engine import core

    from serving.text import engine_plugin
else:
    core = LazyModule("vllm.v1.engine.core")
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


@pytest.mark.parametrize("on_cpu", [True, False])
def test_loaded_engine_returns_freed_memory_then_keeps_it_on_a_cpu_only(
    on_cpu: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    loaded = import_module("vllm.v1.engine.core")
    plugin = import_module("serving.text.engine_plugin")
    monkeypatch.setattr(loaded, "freeze_gc_heap", lambda: told.append("frozen by vLLM"))
    monkeypatch.setattr(plugin, "freeze_gc_heap", lambda: told.append("frozen"))
    monkeypatch.setattr(plugin, "return_freed_memory", lambda: told.append("returned"))
    monkeypatch.setattr(plugin, "keep_freed_memory", lambda: told.append("kept from now"))
    monkeypatch.setattr(plugin.current_platform, "is_cpu", lambda: on_cpu)
    plugin.register()
    loaded.freeze_gc_heap()
    assert told == (["frozen", "returned", "kept from now"] if on_cpu else ["frozen by vLLM"])


def test_vllm_of_this_version_freezes_the_heap_when_the_engine_is_loaded() -> None:
    assert "freeze_gc_heap" in core.EngineCore.__init__.__code__.co_names
