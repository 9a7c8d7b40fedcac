"""The service that a trace is replayed against: one started here, or a running one."""

import json
import tempfile
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from load.constant_upstream.engine import UpstreamSpeed
from load.deployment.service import DeploymentSettings, run_deployment
from load.replay.player import ReplayTarget


@contextmanager
def deployed_target(
    firms: Sequence[str], speed: UpstreamSpeed | None, slots: int
) -> Iterator[ReplayTarget]:
    """Start a service with an API key per firm, on the constant upstream or on the real engine."""
    with tempfile.TemporaryDirectory(prefix="maas-load-") as name:
        # Calls must queue in the gateway, where tenants take turns: it sends as many as slots.
        settings = DeploymentSettings(Path(name), tuple(firms), speed, slots=slots, priority=True)
        with run_deployment(settings) as deployment:
            keys = {firm.name: firm.key for firm in deployment.firms}
            yield ReplayTarget(deployment.url, _model(deployment.url, keys), keys)


def external_target(url: str, firm: str, key: str) -> ReplayTarget:
    """Return a running service as target, with one API key."""
    keys = {firm: key}
    return ReplayTarget(url.rstrip("/"), _model(url, keys), keys)


def _model(url: str, keys: Mapping[str, str]) -> str:
    """Return the id of the first text generation model."""
    headers = {"authorization": f"Bearer {next(iter(keys.values()))}"}
    request = urllib.request.Request(f"{url}/v1/models", headers=headers)
    with urllib.request.urlopen(request, timeout=30) as answer:
        models = json.load(answer)["data"]
    return str(next(one["id"] for one in models if one["task"] == "text-generation"))
