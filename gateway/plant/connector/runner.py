"""Run a connector: sources, collector, queue and forwarder in one process, until it is stopped."""

import asyncio
from collections.abc import Mapping
from pathlib import Path

import httpx

from gateway.plant.connector.collecting import CollectedPoint, Collector
from gateway.plant.connector.config import (
    ConnectorConfig,
    ConnectorConfigInvalid,
    create_filter,
)
from gateway.plant.connector.disk_queue import DiskQueue
from gateway.plant.connector.forwarding import Forwarder
from gateway.plant.connector.opcua_source import read_server
from infra.clock import Clock

_TIMEOUT_S = 30.0


def collected_points(config: ConnectorConfig) -> Mapping[str, CollectedPoint]:
    """Return the points of all sources by tag, each with a filter of its own."""
    return {
        point.tag: CollectedPoint(
            point.tag, point.unit, create_filter(point.filter or server.filter)
        )
        for server in config.opcua
        for point in server.points
    }


async def run_connector(
    config: ConnectorConfig, environment: Mapping[str, str], clock: Clock
) -> None:
    """Run until cancelled; what was read is then written to the queue.

    Raises ConnectorConfigInvalid if the API key is not set.
    """
    key = environment.get(config.key_variable, "")
    if not key:
        raise ConnectorConfigInvalid(f"Set {config.key_variable} to an API key.")
    queue = DiskQueue(Path(config.queue), config.queue_bytes)
    collector = Collector(collected_points(config), queue, config.source, config.batch_readings)
    headers = {"authorization": f"Bearer {key}"}
    try:
        async with (
            httpx.AsyncClient(base_url=config.url, headers=headers, timeout=_TIMEOUT_S) as client,
            asyncio.TaskGroup() as tasks,
        ):
            tasks.create_task(Forwarder(client, queue).run(config.flush_s))
            tasks.create_task(_flush_regularly(collector, config.flush_s))
            for server in config.opcua:
                tasks.create_task(read_server(server, collector.add, clock))
    finally:
        collector.end()


async def _flush_regularly(collector: Collector, every_s: float) -> None:
    """Write what was collected to the queue every `every_s` seconds."""
    while True:
        await asyncio.sleep(every_s)
        await asyncio.to_thread(collector.flush)
