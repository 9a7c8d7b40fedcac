"""The wait for a Ray node that registers later than Ray allows."""

from collections.abc import Callable
from typing import Any

import pytest
from ray._private import services
from ray._private.node import Node

from serving.cluster.slow_start import allow_slow_start

NODE = {"node_id": "n1"}


def registered_after(attempts: int, asked: list[tuple[Any, ...]]) -> Callable[..., Any]:
    """Ray's query of a node, which fails until it was asked this many times."""

    def get_node(*arguments: Any) -> Any:
        asked.append(arguments)
        if len(asked) <= attempts:
            raise RuntimeError("No node is registered.")
        return NODE

    return get_node


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serving.cluster.slow_start._POLL_S", 0.0)


class TestAllowSlowStart:
    def test_query_waits_until_node_is_registered(self, monkeypatch: pytest.MonkeyPatch) -> None:
        asked: list[tuple[Any, ...]] = []
        monkeypatch.setattr(services, "get_node", registered_after(3, asked))
        with allow_slow_start(60.0):
            assert services.get_node("127.0.0.1:6379", "n1") == NODE
        assert asked == [("127.0.0.1:6379", "n1")] * 4

    def test_error_is_raised_after_timeout(self, monkeypatch: pytest.MonkeyPatch) -> None:
        asked: list[tuple[Any, ...]] = []
        monkeypatch.setattr(services, "get_node", registered_after(3, asked))
        with allow_slow_start(timeout_s=0.0), pytest.raises(RuntimeError, match="No node"):
            services.get_node("127.0.0.1:6379", "n1")
        assert len(asked) == 1

    def test_query_of_ray_is_restored_after_an_error(self, monkeypatch: pytest.MonkeyPatch) -> None:
        original = registered_after(0, [])
        monkeypatch.setattr(services, "get_node", original)
        with pytest.raises(OSError, match="disk full"), allow_slow_start(60.0):
            raise OSError("disk full")
        assert services.get_node is original


def test_ray_of_this_version_asks_for_its_node_through_services() -> None:
    """The wait works only as long as ray.init calls this function by its module."""
    names = Node.__init__.__code__.co_names
    assert {"services", "get_node"} <= set(names)
