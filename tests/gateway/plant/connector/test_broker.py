"""The connector reads a real MQTT broker (mosquitto) on the loopback interface."""

import asyncio
import datetime as dt
import gc
import ipaddress
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from gateway.plant.connector.checking import check_connector
from gateway.plant.connector.config import load_config
from gateway.plant.connector.filters import FilterConfig
from gateway.plant.connector.forwarding import Forwarder
from gateway.plant.connector.messages import Incoming
from gateway.plant.connector.mqtt.broker import BrokerReader, check_broker
from gateway.plant.connector.mqtt.config import (
    BrokerConfig,
    MetricConfig,
    MqttConfig,
    SparkplugConfig,
    TopicConfig,
)
from gateway.plant.connector.mqtt.handler import PlainHandler
from gateway.plant.connector.retrying import Connections
from gateway.plant.connector.runner import run_connector
from gateway.plant.connector.sparkplug.handler import SparkplugHandler
from infra.clock import SystemClock
from tests.support.builders import Gateway, customer
from tests.support.gateway.points import add_points, new_point
from tests.support.maas_process import free_port
from tests.support.plant.broker import MOSQUITTO, Broker
from tests.support.plant.collecting import Collected, new_collected
from tests.support.plant.sparkplug_edge import FLOAT, Edge, metric
from tests.support.waiting import until_true

aiomqtt = pytest.importorskip("aiomqtt")
pytestmark = pytest.mark.skipif(MOSQUITTO is None, reason="mosquitto is not installed")

CLOCK = SystemClock()
NO_FILTER = FilterConfig("none")


@pytest.fixture
async def broker(network: None, processes: None, tmp_path: Path) -> AsyncIterator[Broker]:
    async with Broker(tmp_path) as started:
        yield started


@asynccontextmanager
async def reading(
    collected: Collected, config: MqttConfig | SparkplugConfig
) -> AsyncIterator[None]:
    """Read a broker during the block, which begins with the first connection."""
    if isinstance(config, MqttConfig):
        handler: Any = PlainHandler(config, collected.collector, collected.problems)
        is_clean = not config.persistent_session
    else:
        handler = SparkplugHandler(
            config, collected.collector, collected.problems, collected.metrics
        )
        is_clean = True
    reader = BrokerReader(config, handler, CLOCK, collected.problems, {}, is_clean=is_clean)
    connections = Connections(config.source, CLOCK, collected.metrics, first_delay_s=0.05)
    task = asyncio.create_task(reader.run(connections))
    try:
        await until_true(lambda: is_connected(collected, config))
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def is_connected(collected: Collected, config: BrokerConfig) -> bool:
    return bool(collected.metrics.connected.labels(config.source)._value.get())


async def is_away(collected: Collected, config: BrokerConfig) -> bool:
    return not await is_connected(collected, config)


async def has_received(collected: Collected, count: int) -> bool:
    return collected.collector.received >= count


async def received(collected: Collected, count: int) -> list[tuple[str, Any]]:
    """Wait for a number of readings; return tags and values."""
    await until_true(lambda: has_received(collected, count))
    return collected.values()


@asynccontextmanager
async def publishing(broker: Broker) -> AsyncIterator[Callable[..., Awaitable[None]]]:
    """A client that publishes messages in order."""
    async with aiomqtt.Client("127.0.0.1", broker.port) as client:

        async def publish(*messages: Incoming) -> None:
            for one in messages:
                await client.publish(one.topic, one.payload, qos=1)

        yield publish


async def test_messages_during_absence_and_restart_of_the_broker_arrive(
    broker: Broker, tmp_path: Path
) -> None:
    collected = new_collected(tmp_path)
    topics = [TopicConfig(topic="plant/+/temp", tag="{2}.temp")]
    config = MqttConfig(url=broker.url, topics=topics, filter=NO_FILTER)
    async with reading(collected, config), publishing(broker) as publish:
        await publish(Incoming("plant/a/temp", b"1"), Incoming("plant/b/temp", b"2"))
        assert sorted(await received(collected, 2)) == [("a.temp", 1.0), ("b.temp", 2.0)]
    async with publishing(broker) as publish:
        await publish(Incoming("plant/a/temp", b"3"))
    async with reading(collected, config):
        assert await received(collected, 3) == [("a.temp", 3.0)]
        await broker.stop()
        await until_true(lambda: is_away(collected, config))
        await broker.start()
        await until_true(lambda: is_connected(collected, config))
        async with publishing(broker) as publish:
            await publish(Incoming("plant/a/temp", b"4"))
        assert await received(collected, 4) == [("a.temp", 4.0)]


async def test_large_payload_is_refused_and_the_next_one_read(
    broker: Broker, tmp_path: Path
) -> None:
    collected = new_collected(tmp_path)
    config = MqttConfig(
        url=broker.url, topics=[TopicConfig(topic="a", tag="a")], max_payload_bytes=1_024
    )
    async with reading(collected, config), publishing(broker) as publish:
        await publish(Incoming("a", b" " * 2_000 + b"1"), Incoming("a", b"2"))
        assert await received(collected, 1) == [("a", 2.0)]
    assert collected.problem_count("payload_too_large") == 1


def sparkplug_config(broker: Broker, **more: Any) -> SparkplugConfig:
    points = [MetricConfig(metric="Temp", tag="{device}.temp", unit="degF")]
    return SparkplugConfig(url=broker.url, points=points, filter=NO_FILTER, **more)


def births(edge: Edge, value: float, time_ms: int) -> list[Incoming]:
    """The births of an edge node and its device."""
    temperature = metric("Temp", 7, datatype=FLOAT, float_value=value, timestamp=time_ms)
    return [edge.node_birth(), edge.send("DBIRTH", temperature, time_ms=time_ms)]


async def test_sparkplug_readings_reach_their_account_only(
    broker: Broker, gateway: Gateway, tmp_path: Path
) -> None:
    database = gateway.parts.database
    await add_points(database, [new_point(gateway.account.id, "D1.temp")])
    _, other = await customer(database, gateway.parts.settings, "Other")
    now_ms = int(CLOCK.now().timestamp() * 1_000) - 60_000
    collected, edge = new_collected(tmp_path), Edge()
    data = [
        *births(edge, 68.0, now_ms),
        edge.send("DDATA", metric(alias=7, float_value=86.0), time_ms=now_ms + 1_000),
        edge.send("DDATA", metric(alias=7, float_value=50.0), time_ms=now_ms + 40_000_000_000),
    ]
    async with reading(collected, sparkplug_config(broker)), publishing(broker) as publish:
        await publish(*data, data[-1], edge.death())
        await until_true(lambda: has_received(collected, 4))
    collected.collector.end()
    kept = [path.read_bytes() for path in collected.queue.waiting()]
    for key, stored in ((other.secret, 0), (None, 3)):
        headers = {} if key is None else {"authorization": f"Bearer {key}"}
        gateway_url = gateway.http.base_url
        async with httpx.AsyncClient(
            base_url=gateway_url, headers={**gateway.http.headers, **headers}
        ) as client:
            forwarder = Forwarder(client, collected.queue, CLOCK, collected.metrics)
            assert await forwarder.forward_waiting()
            assert (forwarder.stored, forwarder.refused) == (stored, 4 - stored)
        for batch in kept:
            collected.queue.put(batch)
    answer = await gateway.http.get("/v1/plant/readings", params={"point": "D1.temp"})
    series = answer.json()["data"][0]
    assert series["values"] == [pytest.approx(20.0), pytest.approx(30.0), None]
    assert series["qualities"] == ["good", "good", "bad"]


async def test_edge_node_is_asked_for_births_and_answers(broker: Broker, tmp_path: Path) -> None:
    collected, edge = new_collected(tmp_path), Edge()
    now_ms = int(CLOCK.now().timestamp() * 1_000)
    async with (
        aiomqtt.Client("127.0.0.1", broker.port) as node,
        reading(collected, sparkplug_config(broker, host_id="maas")),
        publishing(broker) as publish,
    ):
        await node.subscribe("spBv1.0/G/NCMD/E1")
        await node.subscribe("spBv1.0/STATE/maas", qos=1)
        state = await anext(node.messages)
        assert b'"online":true' in state.payload
        await publish(*births(edge, 68.0, now_ms))
        edge.skip()
        await publish(edge.send("DDATA", metric(alias=7, float_value=86.0)))
        command = await anext(node.messages)
        assert (command.topic.value, command.payload.count(b"Rebirth")) == ("spBv1.0/G/NCMD/E1", 1)
        answer = edge.send("DDATA", metric(alias=9, int_value=1))
        again = births(edge, 70.0, now_ms + 1)
        await publish(*again, answer)
        assert [value for _, value in await received(collected, 2)] == [68.0, 70.0]
    async with aiomqtt.Client("127.0.0.1", broker.port) as node:
        await node.subscribe("spBv1.0/STATE/maas", qos=1)
        assert b'"online":false' in (await anext(node.messages)).payload


def write_certificate(folder: Path) -> None:
    """A certificate for 127.0.0.1 that signs itself, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "broker")])
    now = CLOCK.now()
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False
        )
        .add_extension(x509.BasicConstraints(True, None), True)
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )


# paho leaves the socket of a refused connection to the garbage collector.
@pytest.mark.filterwarnings("ignore:Exception ignored in:pytest.PytestUnraisableExceptionWarning")
async def test_broker_with_tls_and_password_is_verified(
    network: None, processes: None, tmp_path: Path
) -> None:
    write_certificate(tmp_path)
    passwords = tmp_path / "passwords"
    making = await asyncio.create_subprocess_exec(
        "mosquitto_passwd", "-b", "-c", str(passwords), "line", "right"
    )
    assert await making.wait() == 0
    (tmp_path / "acl").write_text("user line\ntopic read open/#\n")
    lines = (
        f"certfile {tmp_path}/cert.pem",
        f"keyfile {tmp_path}/key.pem",
        f"password_file {passwords}",
        f"acl_file {tmp_path}/acl",
    )

    async def check(password: str = "right", **more: Any) -> str:
        options = {"ca_file": str(tmp_path / "cert.pem"), **more}
        config = BrokerConfig(
            url=started.url.replace("mqtt:", "mqtts:"),
            username="line",
            password_variable="PASSWORD",
            **options,
        )
        return await check_broker(config, ["open/a"], {"PASSWORD": password})

    async with Broker(tmp_path, lines) as started:
        assert await check() == ""
        assert "ot authori" in await check("wrong")
        assert "certificate" in (await check(ca_file=None)).lower()
    gc.collect()


async def test_connector_reads_forwards_and_exposes_metrics(
    broker: Broker, gateway: Gateway, tmp_path: Path
) -> None:
    await add_points(gateway.parts.database, [new_point(gateway.account.id, "a.temp")])
    metrics_port = free_port()
    (tmp_path / "c.toml").write_text(f"""
url = "{gateway.url}"
queue = "{tmp_path}/queue"
flush_s = 0.05
metrics_port = {metrics_port}
[[mqtt]]
url = "{broker.url}"
topics = [{{ topic = "plant/+/temp", tag = "{{2}}.temp", unit = "degF" }}]
""")
    config = load_config(tmp_path / "c.toml")
    key = gateway.http.headers["authorization"].removeprefix("Bearer ")
    environment = {"MAAS_API_KEY": key}
    assert [one.problem for one in await check_connector(config, environment)] == ["", ""]
    running = asyncio.create_task(run_connector(config, environment, CLOCK))

    async def metrics() -> str:
        async with httpx.AsyncClient() as client:
            return (await client.get(f"http://127.0.0.1:{metrics_port}/metrics")).text

    async def is_subscribed() -> bool:
        try:
            return f'{{source="{broker.url}/maas-connector"}} 1.0' in await metrics()
        except httpx.ConnectError:
            return False

    async def is_stored() -> bool:
        return 'maas_connector_forwarded_total{outcome="stored"} 1.0' in await metrics()

    await until_true(is_subscribed)
    async with publishing(broker) as publish:
        await publish(Incoming("plant/a/temp", b"68"))
    await until_true(is_stored)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    answer = await gateway.http.get("/v1/plant/readings", params={"point": "a.temp"})
    assert answer.json()["data"][0]["values"] == [pytest.approx(20.0)]
    assert list((tmp_path / "queue").iterdir()) == []
