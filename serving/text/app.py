"""The text generation models as one Ray Serve application on vLLM.

HTTP, streaming and the engine are Ray's and vLLM's own; no code of this package runs per token.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from ray.serve import Application
from ray.serve.llm import LLMConfig, build_openai_app

from serving.scaling import Scaling
from serving.text.ingress import TextIngress


def text_generation_app(
    settings: Sequence[dict[str, Any]], engines: Mapping[str, str], scaling: Scaling
) -> Application:
    """Build the application of all text models behind one ingress deployment.

    The ingress scales like an engine, because one engine's stream occupies much of one ingress
    replica. `settings` are the engines' LLMConfig arguments; `engines` maps each model that is an
    adapter to the model of its engine.
    """
    return build_openai_app(
        {
            "llm_configs": [LLMConfig(**arguments) for arguments in settings],
            "ingress_deployment_config": {
                **scaling.deployment_options(),
                "ray_actor_options": {"num_cpus": 0},
            },
            "ingress_cls_config": {
                "ingress_cls": TextIngress,
                "ingress_extra_kwargs": {"engines": dict(engines)},
            },
        }
    )
