"""The connector's configuration, queue on disk, collector, and forwarding to a real gateway."""

import json
import os
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import httpx
import msgspec
import pytest

from gateway.plant.connector.collecting import CollectedPoint, Collector
from gateway.plant.connector.config import load_config
from gateway.plant.connector.disk_queue import DiskQueue, QueueFull
from gateway.plant.connector.errors import ConnectorConfigInvalid
from gateway.plant.connector.forwarding import Forwarder
from gateway.plant.connector.runner import collected_points
from gateway.plant.readings.filtering.deadband import Deadband
from gateway.plant.readings.filtering.filter import Sample
from gateway.plant.readings.formats.times import from_datetime
from infra.clock import SystemClock
from tests.support.billing.making import sql
from tests.support.builders import Gateway
from tests.support.gateway.commands import invoke, leave_logs_alone
from tests.support.gateway.points import add_points, new_point
from tests.support.plant.collecting import new_metrics

CONFIG = """
url = "http://127.0.0.1:1"
queue = "q"
[[opcua]]
url = "opc.tcp://127.0.0.1:4840"
filter = { kind = "deadband", bound = 0.5 }
points = [
  { node = "ns=2;s=a", tag = "a", unit = "kPa" },
  { node = "ns=2;s=b", tag = "b", filter = { kind = "rate_limit", seconds = 10 } },
]
"""
MQTT = """
[[mqtt]]
url = "mqtt://127.0.0.1"
topics = [{ topic = "a/+", tag = "plant/{2}", filter = { kind = "deadband", bound = 1 } }]
[[opcua]]
"""
NOW_US = from_datetime(SystemClock().now() - timedelta(minutes=5))


def new_forwarder(client: httpx.AsyncClient, queue: DiskQueue) -> Forwarder:
    return Forwarder(client, queue, SystemClock(), new_metrics())


def samples(values: Sequence[float]) -> list[Sample]:
    """Readings a second apart."""
    return [Sample(NOW_US + at * 1_000_000, value) for at, value in enumerate(values)]


def test_points_have_filters_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text(CONFIG)
    points = collected_points(load_config(tmp_path / "c.toml"))
    assert {tag: type(point.filter).__name__ for tag, point in points.items()} == {
        "a": "Deadband",
        "b": "RateLimit",
    }
    assert points["a"].unit == "kPa"
    (tmp_path / "c.toml").write_text(CONFIG.replace("[[opcua]]", MQTT))
    assert [one.url for one in load_config(tmp_path / "c.toml").mqtt] == ["mqtt://127.0.0.1"]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("bound = 0.5", "bound = -1"),
        ('kind = "deadband", bound = 0.5', 'kind = "deadband"'),
        ('tag = "b"', 'tag = "a"'),
        ('queue = "q"', ""),
        ('kind = "rate_limit", seconds = 10', 'kind = "guess"'),
        ("[[opcua]]", "[[opcua"),
        ("[[opcua]]", "[[mqtt]]\nurl = 'mqtt://b'\ntopics = []\n[[opcua]]"),
        ("[[opcua]]", MQTT.replace("plant/{2}", "plant/{3}")),
        ("[[opcua]]", MQTT.replace("[[opcua]]", "") + MQTT),
        ("[[opcua]]", MQTT.replace("deadband", "guess")),
    ],
)
def test_wrong_configuration_is_refused(tmp_path: Path, old: str, new: str) -> None:
    assert old in CONFIG
    (tmp_path / "c.toml").write_text(CONFIG.replace(old, new))
    with pytest.raises(ConnectorConfigInvalid):
        load_config(tmp_path / "c.toml")


def test_queue_keeps_whole_batches_in_order_over_restarts(tmp_path: Path) -> None:
    queue = DiskQueue(tmp_path, 100)
    for number in range(3):
        queue.put(b"%d" % number)
    # What a killed process leaves in mid-write.
    (tmp_path / "0000000000000003.tmp").write_bytes(b"half")
    queue = DiskQueue(tmp_path, 100)
    assert [path.read_bytes() for path in queue.waiting()] == [b"0", b"1", b"2"]
    first, second, _ = queue.waiting()
    queue.remove(first)
    queue.set_aside(second)
    queue.put(b"3")
    assert [path.read_bytes() for path in queue.waiting()] == [b"2", b"3"]
    assert queue.size == 2
    assert len(list(tmp_path.glob("*.refused"))) == 1


def test_full_queue_refuses_and_the_collector_keeps_readings(tmp_path: Path) -> None:
    queue = DiskQueue(tmp_path, 150)
    with pytest.raises(QueueFull):
        queue.put(b"x" * 151)
    points = {"a": CollectedPoint("a", "kPa", None)}
    collector = Collector(points, queue, "s", 1, SystemClock(), new_metrics())
    for sample in samples([1.0, 2.0]):
        collector.add("a", sample)
    collector.flush()
    (stored,) = queue.waiting()
    queue.remove(stored)
    collector.flush()
    (stored,) = queue.waiting()
    (reading,) = msgspec.json.decode(stored.read_bytes())["readings"]
    assert (reading["tag"], reading["value"], reading["unit"]) == ("a", 2.0, "kPa")


async def test_readings_survive_an_outage_and_are_stored_once(
    gateway: Gateway, tmp_path: Path
) -> None:
    await add_points(gateway.parts.database, [new_point(gateway.account.id, "a", unit="kPa")])
    queue = DiskQueue(tmp_path, 1 << 20)
    points = {
        "a": CollectedPoint("a", "kPa", Deadband(0.5)),
        "gone": CollectedPoint("gone", "", None),
    }
    collector = Collector(points, queue, "line-1", 100, SystemClock(), new_metrics())
    for sample in samples([1.0, 1.1, 5.0, 5.1, 5.2]):
        collector.add("a", sample)
    collector.add("gone", samples([1.0])[0])
    collector.end()
    async with httpx.AsyncClient(base_url="http://127.0.0.1:9") as unreachable:
        assert not await new_forwarder(unreachable, queue).forward_waiting()
    # A batch whose response was lost is sent again.
    (batch,) = queue.waiting()
    content = batch.read_bytes()
    queue.put(content)
    forwarder = new_forwarder(gateway.http, DiskQueue(tmp_path, 1 << 20))
    assert await forwarder.forward_waiting()
    assert (forwarder.stored, forwarder.refused) == (6, 2)
    assert list(queue.waiting()) == []
    series = (await gateway.http.get("/v1/plant/readings", params={"point": "a"})).json()["data"][0]
    assert series["values"] == [1.0, 5.0, 5.2]
    query = "select name, clock_skew_ms between 0 and 60000 from plant_reading_source"
    assert await sql(gateway.parts.database, query) == [("line-1", True)]


async def test_batch_that_cannot_be_read_is_set_aside(gateway: Gateway, tmp_path: Path) -> None:
    queue = DiskQueue(tmp_path, 1 << 20)
    queue.put(b"not json")
    assert await new_forwarder(gateway.http, queue).forward_waiting()
    assert list(queue.waiting()) == []
    assert [name for name in os.listdir(tmp_path) if name.endswith(".refused")]


async def test_check_names_what_cannot_be_reached(network: None, tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    file.write_text(f"""
url = "http://127.0.0.1:9"
queue = "{tmp_path}/q"
[[mqtt]]
url = "mqtt://127.0.0.1:9"
topics = [{{ topic = "a", tag = "a" }}]
[[sparkplug]]
url = "mqtt://127.0.0.1:9"
client_id = "other"
points = [{{ metric = "*", tag = "{{device}}.{{metric}}" }}]
""")
    arguments = ("connector", "--config", str(file), "--check", "--json")
    environment = {"MAAS_API_KEY": "k", "MAAS_DATA_DIR": str(tmp_path)}
    with pytest.MonkeyPatch.context() as patched:
        leave_logs_alone(patched)
        code, out = await invoke(environment, *arguments)
        assert (code, [one["kind"] for one in json.loads(out)]) == (
            1, ["gateway", "mqtt", "sparkplug"],
        )  # fmt: skip
        assert all("No " in one["problem"] for one in json.loads(out))
        code, out = await invoke({**environment, "MAAS_API_KEY": ""}, *arguments)
    assert (code, json.loads(out)["error"]["code"]) == (1, "connector_config_invalid")
