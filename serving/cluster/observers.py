"""Start Ray's head node without the processes that only watch it, which ray.init always starts.

These are the autoscaler's monitor, which could not add machines; the log monitor, which would send
logs to this process; and the process of the dashboard, which without the dashboard collects usage
statistics. Together they take 230 MB.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ray._private.node import Node


@contextmanager
def without_observers() -> Iterator[None]:
    """Within the context, `ray.init` starts none of these processes.

    Raises AttributeError if Ray starts them by other methods than the pinned version does.
    """
    replacements = {
        "start_monitor": _start_nothing,
        "start_log_monitor": _start_nothing,
        "start_api_server": _start_no_dashboard,
    }
    originals = {name: getattr(Node, name) for name in replacements}
    for name, method in replacements.items():
        setattr(Node, name, method)
    try:
        yield
    finally:
        for name, method in originals.items():
            setattr(Node, name, method)


def _start_nothing(_node: Any) -> None:
    """Start no process."""


def _start_no_dashboard(node: Any, **_options: Any) -> None:
    """Start no process; set the dashboard's URL as Ray does for a node without a dashboard."""
    node._webui_url = ""
