"""Commands reach a real OPC UA server and a real MQTT broker, and are read back from there."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gateway.plant.commands.values import Report
from gateway.plant.connector.commands.building import TargetBuilder
from gateway.plant.connector.commands.config import CommandsConfig, NodeCommand
from gateway.plant.connector.commands.dead_man import DeadManTimers
from gateway.plant.connector.commands.executing import Executor
from gateway.plant.connector.commands.journal import Journal
from gateway.plant.connector.config import ConnectorConfig, OpcUaConfig
from infra.clock import SystemClock
from tests.support.maas_process import free_port
from tests.support.nightly import nightly
from tests.support.plant.broker import MOSQUITTO, Broker
from tests.support.plant.collecting import new_metrics
from tests.support.plant.commands import TAG, UNIT, command, limits, point
from tests.support.plant.sparkplug_edge import FLOAT, PAYLOADS, Edge, metric

aiomqtt = pytest.importorskip("aiomqtt")
asyncua = pytest.importorskip("asyncua")
needs_broker = pytest.mark.skipif(MOSQUITTO is None, reason="mosquitto is not installed")

CLOCK = SystemClock()
COMMANDS = CommandsConfig(account="acct_1", owner_keys=["owner.pem"])
React = Callable[[Any, Any], Awaitable[None]]


async def carry_out(folder: Path, value: float, name: str = "cmd_1", **sources: Any) -> Report:
    """Carry out one command on the sources of a configuration."""
    config = msgspec.convert(
        {"url": "http://none", "queue": str(folder), "commands": COMMANDS, **sources},
        ConnectorConfig,
        from_attributes=True,
    )
    metrics = new_metrics()
    targets = TargetBuilder({}, CLOCK, metrics).build(config)
    journal = Journal(folder / "commands.db")
    try:
        executor = Executor(targets, journal, DeadManTimers(journal, CLOCK), CLOCK, metrics)
        now = CLOCK.now()
        agreed = limits(
            point(minimum=0.0, max_step=2.0, confirm_within_s=5.0),
            issued_at=now.replace(year=now.year - 1),
            expires_at=now.replace(year=now.year + 1),
        )
        return await executor.execute(command(value, name, now), agreed)
    finally:
        journal.close()


@nightly
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
async def test_variable_is_written_and_read_back(network: None, tmp_path: Path) -> None:
    url = f"opc.tcp://127.0.0.1:{free_port()}/"
    server = asyncua.Server()
    await server.init()
    server.set_endpoint(url)
    space = await server.register_namespace("urn:test")
    kinds = asyncua.ua.VariantType
    pressure = await server.nodes.objects.add_variable(f"ns={space};s=sp", "sp", 3.0, kinds.Float)
    locked = await server.nodes.objects.add_variable(f"ns={space};s=ro", "ro", 3.0, kinds.Float)
    stage = await server.nodes.objects.add_variable(f"ns={space};s=i", "i", 3, kinds.Int16)
    await pressure.set_writable()
    await stage.set_writable()

    def source(name: str) -> dict[str, Any]:
        nodes = [NodeCommand(node=f"ns={space};s={name}", tag=TAG, unit=UNIT)]
        return {"opcua": [OpcUaConfig(url, [], commands=nodes)]}

    async with server, asyncio.timeout(60):
        report = await carry_out(tmp_path, 4.1, **source("sp"))
        assert (report.status, report.value_before) == ("done", 3.0)
        assert await pressure.read_value() == pytest.approx(4.1)
        report = await carry_out(tmp_path, 4.0, "cmd_2", **source("i"))
        assert (report.status, await stage.read_value()) == ("done", 4)
        report = await carry_out(tmp_path, 4.5, "cmd_3", **source("i"))
        assert (report.status, report.code) == ("not_confirmed", "device_unreachable")
        report = await carry_out(tmp_path, 4.0, "cmd_4", **source("ro"))
        assert (report.status, report.code) == ("not_confirmed", "device_access_denied")
        assert await locked.read_value() == 3.0
    report = await carry_out(tmp_path, 4.0, "cmd_5", **source("sp"))
    assert (report.status, report.code) == ("refused", "device_unreachable")


@pytest.fixture
async def broker(network: None, processes: None, tmp_path: Path) -> AsyncIterator[Broker]:
    async with Broker(tmp_path) as started:
        yield started


@asynccontextmanager
async def device(broker: Broker, topic: str, react: React) -> AsyncIterator[Any]:
    """A device that reacts to messages of a topic."""
    async with aiomqtt.Client("127.0.0.1", broker.port) as client:
        await client.subscribe(topic, qos=1)

        async def serve() -> None:
            async for message in client.messages:
                await react(client, message)

        serving = asyncio.create_task(serve())
        yield client
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)


@needs_broker
async def test_topic_is_published_and_the_state_read_back(broker: Broker, tmp_path: Path) -> None:
    received: list[Any] = []

    async def react(client: Any, message: Any) -> None:
        received.append((msgspec.json.decode(message.payload), message.retain))
        state = {"value": received[-1][0]["sp"], "time": CLOCK.now().isoformat()}
        await client.publish("plant/p101/state", msgspec.json.encode(state), qos=1, retain=True)

    topics = [{"topic": "plant/p101/state", "tag": TAG, "unit": UNIT}]
    target = {"topic": "plant/p101/set", "tag": TAG, "unit": UNIT, "payload": "json", "field": "sp"}
    source = {"mqtt": [{"url": broker.url, "topics": topics, "commands": [target]}]}
    async with device(broker, "plant/p101/set", react) as client, asyncio.timeout(60):
        first = msgspec.json.encode({"value": 3.0, "time": CLOCK.now().isoformat()})
        await client.publish("plant/p101/state", first, qos=1, retain=True)
        report = await carry_out(tmp_path, 4.25, **source)
    assert (report.status, report.value_before, report.value_read) == ("done", 3.0, 4.25)
    assert received == [({"sp": 4.25}, False)]


@needs_broker
async def test_metric_of_a_device_is_written_and_read_back(broker: Broker, tmp_path: Path) -> None:
    edge, received = Edge(), list[float]()

    async def react(client: Any, message: Any) -> None:
        if "CMD" not in message.topic.value:
            return
        (one,) = PAYLOADS.parse(message.payload).metrics
        if one.name == "Node Control/Rebirth":
            born = metric("SP", 7, datatype=FLOAT, float_value=3.0)
            answers = [edge.node_birth(), edge.send("DBIRTH", born)]
        else:
            assert (message.topic.value, one.name) == (edge.topic("DCMD"), "SP")
            received.append(one.float_value)
            answers = [edge.send("DDATA", metric(alias=7, float_value=one.float_value))]
        for answer in answers:
            await client.publish(answer.topic, answer.payload)

    target = {"group": "G", "node": "E1", "device": "D1", "metric": "SP", "tag": TAG, "unit": UNIT}
    points = [{"metric": "SP", "tag": TAG, "unit": UNIT}]
    commands = [{**target, "data_type": "float"}]
    source = {"sparkplug": [{"url": broker.url, "points": points, "commands": commands}]}
    async with device(broker, "spBv1.0/G/+/E1/#", react), asyncio.timeout(60):
        report = await carry_out(tmp_path, 4.25, **source)
    assert (report.status, report.value_before, report.value_read) == ("done", 3.0, 4.25)
    assert received == [4.25]
