"""Retry the start of Ray on a machine that is too busy for Ray's fixed time limit."""

from collections.abc import Callable

import structlog

MAX_ATTEMPTS = 3
_TIMEOUT_MESSAGE = "timed out during startup"  # raised by ray._private.node.Node


def retry_slow_start(start_ray: Callable[[], None], kill_processes: Callable[[], None]) -> None:
    """Start Ray, with up to `MAX_ATTEMPTS` attempts if its node does not register in time.

    Ray allows 30 s, which is not configurable. A failed attempt leaves processes behind, which are
    killed before the next one. Other errors are raised at once.
    """
    for attempt in range(1, MAX_ATTEMPTS + 1):
        try:
            return start_ray()
        except Exception as error:
            if _TIMEOUT_MESSAGE not in str(error) or attempt == MAX_ATTEMPTS:
                raise
            structlog.get_logger().warning("Ray did not start in time", attempt=attempt)
            kill_processes()
