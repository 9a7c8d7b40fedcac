"""vLLM general plugin: our reasoning parser; on a CPU our LoRA, pauses between polls, less memory.

`cpu_lora.py` replaces vLLM's CPU implementation of LoRA adapters.

By default a process that reads vLLM's shared-memory queue polls it without a pause for one second
after each message. During generation this occupies one of two cores, which the model's arithmetic
or other programs could use.

The engine returns what it freed while it loaded the model, which is main memory on a CPU, and keeps
the memory of its intermediate results from then on.

vLLM calls `register` in each of its processes (entry point in pyproject.toml).
"""

import sys
import time
from functools import partial
from typing import TYPE_CHECKING, Any

from vllm.distributed.device_communicators import shm_broadcast
from vllm.platforms import current_platform
from vllm.reasoning import ReasoningParserManager
from vllm.utils.gc_utils import freeze_gc_heap

from infra.lazy_import import LazyModule
from serving.text.engine import EXACT_REASONING_PARSER
from serving.text.freed_memory import keep_freed_memory, return_freed_memory

if TYPE_CHECKING:
    from serving.text import cpu_lora
else:  # imports vLLM's CPU platform and LoRA layers, which a GPU process does not need
    cpu_lora = LazyModule("serving.text.cpu_lora")

# One decoding step of the smallest model takes several hundred times as long.
_POLL_S = 0.0002
_ENGINE_CORE = "vllm.v1.engine.core"


def register() -> None:
    """Register the reasoning parser; on a CPU replace LoRA, the busy wait and the end of loading.

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
        # Only the engine's process has this module by now; others would import it for nothing.
        core: Any = sys.modules.get(_ENGINE_CORE)
        if core is not None:
            core.freeze_gc_heap = _freeze_loaded_heap


def _freeze_loaded_heap() -> None:
    """Do what vLLM does when the engine is loaded; return what was freed, keep what will be."""
    freeze_gc_heap()
    return_freed_memory()
    keep_freed_memory()
