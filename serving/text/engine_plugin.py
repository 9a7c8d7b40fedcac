"""vLLM general plugin: our reasoning parser; on a CPU our LoRA and pauses between polls.

`cpu_lora.py` replaces vLLM's CPU implementation of LoRA adapters.

By default a process that reads vLLM's shared-memory queue polls it without a pause for one second
after each message. During generation this occupies one of two cores, which the model's arithmetic
or other programs could use.

vLLM calls `register` in each of its processes (entry point in pyproject.toml).
"""

import time
from functools import partial
from typing import TYPE_CHECKING

from vllm.distributed.device_communicators import shm_broadcast
from vllm.platforms import current_platform
from vllm.reasoning import ReasoningParserManager

from infra.lazy_import import LazyModule
from serving.text.engine import EXACT_REASONING_PARSER

if TYPE_CHECKING:
    from serving.text import cpu_lora
else:  # imports vLLM's CPU platform and LoRA layers, which a GPU process does not need
    cpu_lora = LazyModule("serving.text.cpu_lora")

# One decoding step of the smallest model takes several hundred times as long.
_POLL_S = 0.0002


def register() -> None:
    """Register the reasoning parser, and on a CPU replace LoRA and the busy wait.

    May be called repeatedly.
    """
    ReasoningParserManager.register_lazy_module(
        EXACT_REASONING_PARSER, "serving.text.reasoning_parser", "ExactReasoningParser"
    )
    if current_platform.is_cpu():
        cpu_lora.install()
        # shm_broadcast imported the function by name, so it is replaced in that module.
        shm_broadcast.sched_yield = partial(  # type: ignore[attr-defined]
            time.sleep, _POLL_S
        )
