"""What calls are played against: a service of our own, or one that runs.

Owns starting the one, and what of the other has to be known.
"""

import json
import tempfile
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from load.constant_upstream.engine import Speed
from load.deployment.service import Wanted, whole_service
from load.replay.player import Target


@contextmanager
def own_service(firms: Sequence[str], speed: Speed | None, slots: int) -> Iterator[Target]:
    """One with a key for each firm, on the constant upstream of that speed, or the real engine."""
    with tempfile.TemporaryDirectory(prefix="maas-load-") as name:
        # The queue must form where turns are taken: as many calls are sent at once as have slots.
        wanted = Wanted(Path(name), tuple(firms), speed, slots=slots, priority=True)
        with whole_service(wanted) as site:
            keys = {firm.name: firm.key for firm in site.firms}
            yield Target(site.url, _model(site.url, keys), keys)


def running_service(url: str, firm: str, key: str) -> Target:
    """One that runs, with one key."""
    keys = {firm: key}
    return Target(url.rstrip("/"), _model(url, keys), keys)


def _model(url: str, keys: Mapping[str, str]) -> str:
    headers = {"authorization": f"Bearer {next(iter(keys.values()))}"}
    request = urllib.request.Request(f"{url}/v1/models", headers=headers)
    with urllib.request.urlopen(request, timeout=30) as answer:
        models = json.load(answer)["data"]
    return str(next(one["id"] for one in models if one["task"] == "text-generation"))
