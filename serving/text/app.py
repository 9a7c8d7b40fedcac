"""The text generation models as one Ray Serve application, on vLLM.

The HTTP interface, the streaming and the engine are Ray's and vLLM's own: nothing of ours is in a
token's path.
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
    """All text models behind one ingress, which only passes chunks on: of it there are as many
    replicas as of an engine, since what one engine writes keeps a good part of one busy.

    `engines` is the model whose engine answers, by the model that is an adapter on it.
    """
    return build_openai_app(
        {
            "llm_configs": [LLMConfig(**one) for one in settings],
            "ingress_deployment_config": {
                **scaling.options(),
                "ray_actor_options": {"num_cpus": 0},
            },
            "ingress_cls_config": {
                "ingress_cls": TextIngress,
                "ingress_extra_kwargs": {"engines": dict(engines)},
            },
        }
    )
