"""Run a connector: sources, collector, queue and forwarder in one process, until it is stopped."""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
from prometheus_client import CollectorRegistry, start_http_server

from gateway.plant.connector.collecting import CollectedPoint, Collector
from gateway.plant.connector.commands.polling import commanding
from gateway.plant.connector.config import ConnectorConfig
from gateway.plant.connector.disk_queue import DiskQueue
from gateway.plant.connector.errors import ConnectorConfigInvalid
from gateway.plant.connector.filters import create_filter
from gateway.plant.connector.forwarding import Forwarder
from gateway.plant.connector.mqtt.broker import BrokerReader
from gateway.plant.connector.mqtt.handler import PlainHandler
from gateway.plant.connector.opcua_connection import OpcUaConnection
from gateway.plant.connector.opcua_source import read_server
from gateway.plant.connector.problems import Problems
from gateway.plant.connector.retrying import Connections
from gateway.plant.connector.sparkplug.handler import SparkplugHandler
from infra.clock import Clock
from infra.telemetry.plant_metrics import ConnectorMetrics, declare_connector_metrics

_TIMEOUT_S = 30.0


def collected_points(config: ConnectorConfig) -> Mapping[str, CollectedPoint]:
    """Return the points that the file names, by tag, each with a filter of its own."""
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
    registry = CollectorRegistry()
    metrics = declare_connector_metrics(registry)
    key = api_key(config, environment)
    queue = DiskQueue(Path(config.queue), config.queue_bytes)
    collector = Collector(
        collected_points(config),
        queue,
        config.source,
        config.batch_readings,
        clock,
        metrics,
        config.max_points,
    )
    sources = list(_sources(config, collector, environment, clock, metrics))
    try:
        async with (
            _metrics_server(config, registry),
            gateway_client(config.url, key) as client,
            commanding(config, client, environment, clock, metrics) as commands,
            asyncio.TaskGroup() as tasks,
        ):
            tasks.create_task(Forwarder(client, queue, clock, metrics).run(config.flush_s))
            tasks.create_task(_flush_regularly(collector, config.flush_s))
            for source in (*sources, *commands):
                tasks.create_task(source)
    finally:
        collector.end()


def api_key(config: ConnectorConfig, environment: Mapping[str, str]) -> str:
    """Return the API key. Raises ConnectorConfigInvalid without one."""
    key = environment.get(config.key_variable, "")
    if not key:
        raise ConnectorConfigInvalid(f"Set {config.key_variable} to an API key.")
    return key


def gateway_client(url: str, key: str) -> httpx.AsyncClient:
    """Return the gateway's client."""
    headers = {"authorization": f"Bearer {key}"}
    return httpx.AsyncClient(base_url=url, headers=headers, timeout=_TIMEOUT_S)


def _sources(
    config: ConnectorConfig,
    collector: Collector,
    environment: Mapping[str, str],
    clock: Clock,
    metrics: ConnectorMetrics,
) -> Iterator[Coroutine[Any, Any, None]]:
    """Yield what reads each source until it is cancelled. Raises ConnectorConfigInvalid."""
    readers = []
    for broker in config.mqtt:
        problems = Problems(broker.source, clock, metrics)
        plain = PlainHandler(broker, collector, problems)
        is_clean = not broker.persistent_session
        readers.append(BrokerReader(broker, plain, clock, problems, environment, is_clean=is_clean))
    for host in config.sparkplug:
        problems = Problems(host.source, clock, metrics)
        handler = SparkplugHandler(host, collector, problems, metrics)
        readers.append(BrokerReader(host, handler, clock, problems, environment, is_clean=True))
    for server in config.opcua:
        if not server.points:
            continue
        connections = Connections(server.url, clock, metrics)
        yield read_server(
            OpcUaConnection.of(server, environment), collector.add, clock, connections
        )
    for reader in readers:
        yield reader.run(Connections(reader.source, clock, metrics))


@asynccontextmanager
async def _metrics_server(
    config: ConnectorConfig, registry: CollectorRegistry
) -> AsyncIterator[None]:
    """Serve the metrics at the configured port, if there is one.

    Raises ConnectorConfigInvalid if it is taken.
    """
    if not config.metrics_port:
        yield
        return
    try:
        server, _ = start_http_server(config.metrics_port, config.metrics_address, registry)
    except OSError as error:
        raise ConnectorConfigInvalid(f"The metrics cannot be served: {error}.") from None
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()


async def _flush_regularly(collector: Collector, every_s: float) -> None:
    """Write what was collected to the queue every `every_s` seconds."""
    while True:
        await asyncio.sleep(every_s)
        await asyncio.to_thread(collector.flush)
