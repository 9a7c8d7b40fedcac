"""`maas node status`: what the running node says about itself."""

import asyncio

from gateway.cli.results import Report, Table
from gateway.cli.runner import command
from gateway.operations.node_status import fetch_node_status
from gateway.plant.identifiers.errors import NodeUnreachable
from infra.settings import Settings

_FACTS = ("role", "resolutions", "cache_hits", "cache_hit_rate", "cached_resolutions")


@command
def node_status(settings: Settings) -> Report:
    """Show cache hits, the other nodes and the last errors of the running node."""
    status = asyncio.run(fetch_node_status(settings))
    if status is None:
        raise NodeUnreachable(
            "The node does not answer. Start it with `maas node run`, or check MAAS_NODE_HOST, "
            "MAAS_NODE_PORT and MAAS_NODE_PUBLIC_URL."
        )
    facts = [{"name": name, "value": status.get(name)} for name in _FACTS]
    peers = ("node", "reachable", "answered", "failed")
    tables = [
        Table(facts, ("name", "value")),
        Table(list(status.get("peers", ())), peers),
        Table(list(status.get("errors", ())), ("at", "code")),
    ]
    return Report(dict(status), tables)
