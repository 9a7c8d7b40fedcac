"""vLLM's engine with scheduler and model in one process, on CPUs.

On CPUs vLLM runs the model in a process of its own, whose threads it can bind to cores when it
starts it. A model of one worker needs no second process: the scheduler's process gets these
settings. It saves an import of PyTorch and vLLM at the start, half a gigabyte, and the messages
between the two at each token.
"""

from typing import Any

from ray.llm._internal.serve.engines.vllm.vllm_engine import VLLMEngine
from vllm.platforms import current_platform
from vllm.utils.ompmultiprocessing import OMPProcessManager


class OneProcessEngine(VLLMEngine):
    """Ray's vLLM engine; on a CPU and with one worker, model and scheduler share a process."""

    def _start_async_llm_engine(
        self, vllm_engine_args: Any, vllm_engine_config: Any, placement_group: Any
    ) -> Any:
        start = super()._start_async_llm_engine
        parallel = vllm_engine_config.parallel_config
        if not current_platform.is_cpu() or parallel.world_size > 1:
            return start(vllm_engine_args, vllm_engine_config, placement_group)
        # vLLM replaces "uni" by "mp" when it builds the configuration, because it would start the
        # process without the settings of OpenMP.
        parallel.distributed_executor_backend = "uni"
        with OMPProcessManager(vllm_engine_config).configure_omp_envs(rank=0, local_rank=0):
            return start(vllm_engine_args, vllm_engine_config, placement_group)
