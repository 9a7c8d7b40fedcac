"""The connector reads a real OPC UA server on the loopback interface."""

import asyncio
import socket
from datetime import UTC, datetime

import pytest

from gateway.plant.connector.config import OpcUaConfig, PointConfig
from gateway.plant.connector.opcua_connection import OpcUaConnection
from gateway.plant.connector.opcua_source import check_server, read_server, to_sample
from gateway.plant.connector.retrying import Connections
from gateway.plant.readings.filtering.filter import Sample
from gateway.plant.readings.quality import BAD, UNCERTAIN
from infra.clock import SystemClock
from tests.support.plant.collecting import new_metrics

asyncua = pytest.importorskip("asyncua")


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def test_values_that_are_no_numbers_are_missing_and_bad() -> None:
    now = datetime(2026, 11, 30, tzinfo=UTC)
    assert to_sample(True, 0, None, now).value == 1.0
    assert to_sample("text", 0, None, now).status == BAD
    assert to_sample(float("nan"), UNCERTAIN, None, now) == Sample(
        int(now.timestamp()) * 1_000_000, None, BAD
    )


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
async def test_changes_with_status_and_source_time_are_read(network: None) -> None:
    url = f"opc.tcp://127.0.0.1:{free_port()}/"
    server = asyncua.Server()
    await server.init()
    server.set_endpoint(url)
    space = await server.register_namespace("urn:test")
    variable = await server.nodes.objects.add_variable(f"ns={space};s=temp", "temp", 20.5)
    read: asyncio.Queue[tuple[str, Sample]] = asyncio.Queue()
    point = PointConfig(f"ns={space};s=temp", "P1.temp")
    config = OpcUaConfig(url, [point], interval_ms=10.0)

    def add(tag: str, sample: Sample) -> None:
        read.put_nowait((tag, sample))

    async with server, asyncio.timeout(30):
        connections = Connections(url, SystemClock(), new_metrics())
        reading = asyncio.create_task(
            read_server(OpcUaConnection.of(config, {}), add, SystemClock(), connections)
        )
        tag, first = await read.get()
        assert (tag, first.value, first.status) == ("P1.temp", 20.5, 0)
        at = datetime(2026, 11, 30, 8, 0, 0, 500_000, tzinfo=UTC)
        status = asyncua.ua.StatusCode(asyncua.ua.StatusCodes.UncertainLastUsableValue)
        value = asyncua.ua.DataValue(asyncua.ua.Variant(21.5), status, SourceTimestamp=at)
        await variable.write_value(value)
        _, second = await read.get()
        assert second == Sample(
            int(at.timestamp() * 1_000_000), 21.5, asyncua.ua.StatusCodes.UncertainLastUsableValue
        )
        assert await check_server(OpcUaConnection.of(config, {})) == ""
        missing = OpcUaConfig(url, [point, PointConfig("ns=9;s=x", "x"), PointConfig("?", "y")])
        assert "ns=9;s=x" in await check_server(OpcUaConnection.of(missing, {}))
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
