"""The text generation models as one Ray Serve application, on vLLM.

Owns building the application from the settings (engine.py). The HTTP interface, the streaming and
the engine are Ray's and vLLM's own: nothing of ours is in a token's path.
"""

from collections.abc import Sequence
from typing import Any

from ray.serve import Application
from ray.serve.llm import LLMConfig, build_openai_app


def text_generation_app(settings: Sequence[dict[str, Any]]) -> Application:
    """All text models behind one ingress. One ingress replica: it only passes chunks on."""
    return build_openai_app(
        {
            "llm_configs": [LLMConfig(**one) for one in settings],
            "ingress_deployment_config": {
                "num_replicas": 1,
                "autoscaling_config": None,
                "ray_actor_options": {"num_cpus": 0},
            },
        }
    )
