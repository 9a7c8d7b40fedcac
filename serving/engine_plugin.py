"""vLLM's general plugin: on a processor, the processes of an engine wait without spinning.

A process that reads from vLLM's queue in shared memory looks at it without a pause for a second
after each message, and only then waits to be notified. While an answer is generated, one of two
cores does nothing else: it is taken from the model's arithmetic and from all other programs. Here
it rests between two looks.

vLLM calls `register` in each of its processes (pyproject.toml). Does not own the engine's settings
(engine.py).
"""

import time
from functools import partial

from vllm.distributed.device_communicators import shm_broadcast
from vllm.platforms import current_platform

# A step of the smallest model takes several hundred times as long.
_BETWEEN_LOOKS_S = 0.0002


def register() -> None:
    """Take the spinning out where the model runs on a processor. Several times are as once."""
    if current_platform.is_cpu():
        # A name of its own in vLLM's module, though it comes from another one.
        shm_broadcast.sched_yield = partial(  # type: ignore[attr-defined]
            time.sleep, _BETWEEN_LOOKS_S
        )
