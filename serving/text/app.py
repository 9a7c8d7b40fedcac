"""The text generation models as one Ray Serve application: an ingress, and vLLM's engines."""

from collections.abc import Mapping, Sequence
from typing import Any

from ray import serve

from serving.health import DRAIN_POLL_S
from serving.scaling import Scaling
from serving.text.engine import placement_bundles
from serving.text.ingress import TextIngress
from serving.text.server import TextServer

# Engines queue requests themselves, and the gateway limits how many it sends.
_UNLIMITED = 1_000_000_000


def text_generation_app(
    settings: Sequence[Mapping[str, Any]], engines: Mapping[str, str], scaling: Scaling
) -> serve.Application:
    """Build the application of all text models behind one ingress deployment.

    The ingress scales like an engine, because one engine's stream occupies much of one ingress
    replica. `settings` are the engines' LLMConfig arguments; `engines` maps each model that has no
    engine of its own to the model of its engine.
    """
    servers = {one["model_loading_config"]["model_id"]: _engine_deployment(one) for one in settings}
    ingress = serve.deployment(
        name=TextIngress.__name__,
        max_ongoing_requests=_UNLIMITED,
        ray_actor_options={"num_cpus": 0},
        graceful_shutdown_wait_loop_s=DRAIN_POLL_S,
        **scaling.deployment_options(),
    )(TextIngress)
    return ingress.bind(servers, dict(engines))


def _engine_deployment(settings: Mapping[str, Any]) -> serve.Application:
    """Return the deployment of one engine, on the resources that its workers need."""
    options = dict(settings["deployment_config"])
    deployment = serve.deployment(
        name=f"{TextServer.__name__}:{options.pop('name')}",
        max_ongoing_requests=_UNLIMITED,
        placement_group_bundles=placement_bundles(settings),
        placement_group_strategy="PACK",
        **options,
    )(TextServer)
    return deployment.bind(dict(settings))
