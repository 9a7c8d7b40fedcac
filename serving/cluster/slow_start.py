"""Let Ray's node start slowly on a busy machine: Ray itself allows 30 s, without a setting."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ray._private import services

_POLL_S = 0.2


@contextmanager
def allow_slow_start(timeout_s: float) -> Iterator[None]:
    """Within the context, `ray.init` waits up to `timeout_s` until its node is registered.

    Ray asks for its node in a loop of 30 s and then gives up, although the node still starts.
    """
    get_node: Any = services.get_node
    deadline = time.monotonic() + timeout_s

    def get_node_patiently(*arguments: Any) -> Any:
        """Return the node when it is registered. Raises RuntimeError after the timeout."""
        while True:
            try:
                return get_node(*arguments)
            except RuntimeError:
                if time.monotonic() >= deadline:
                    raise
            time.sleep(_POLL_S)

    services.get_node = get_node_patiently
    try:
        yield
    finally:
        services.get_node = get_node
