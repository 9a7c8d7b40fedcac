"""Ray's head node without its autoscaler, log monitor and dashboard processes."""

import pytest
from ray._private.node import Node

from serving.cluster.observers import without_observers

STARTING = ("start_monitor", "start_log_monitor", "start_api_server")


def test_observers_are_not_started_within_the_context() -> None:
    with without_observers():
        node = Node.__new__(Node)
        node.start_monitor()
        node.start_log_monitor()
        node.start_api_server(include_dashboard=False, raise_on_failure=False)
    assert node.webui_url == ""


def test_methods_of_ray_are_restored_after_an_error() -> None:
    originals = [getattr(Node, name) for name in STARTING]
    with pytest.raises(OSError, match="disk full"), without_observers():
        raise OSError("disk full")
    assert [getattr(Node, name) for name in STARTING] == originals


def test_ray_of_this_version_starts_observers_by_these_methods() -> None:
    called = {
        *Node.start_head_processes.__code__.co_names,
        *Node.start_ray_processes.__code__.co_names,
    }
    assert set(STARTING) <= called
