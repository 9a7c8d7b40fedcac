"""Sparkplug B: births, data and deaths become readings; lost messages lead to a new birth."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from gateway.plant.connector.errors import ConnectorConfigInvalid
from gateway.plant.connector.filters import FilterConfig
from gateway.plant.connector.messages import Incoming, Outgoing
from gateway.plant.connector.mqtt.config import MetricConfig, SparkplugConfig
from gateway.plant.connector.sparkplug.handler import SparkplugHandler
from gateway.plant.connector.sparkplug.mapping import MetricRules, check_metric_rule
from gateway.plant.connector.sparkplug.payload import PayloadReader, TooManyMetrics
from gateway.plant.connector.sparkplug.topics import MessageType, NodeId, parse_topic
from gateway.plant.connector.sparkplug.values import BAD_NO_DATA, LAST_USABLE_VALUE
from gateway.plant.readings.quality import BAD, GOOD, UNCERTAIN
from tests.support.plant.collecting import Collected, new_collected
from tests.support.plant.sparkplug_edge import (
    BOOLEAN,
    FLOAT,
    INT32,
    STRING,
    TEMPLATE,
    Edge,
    metric,
    payload,
)

pytest.importorskip("google.protobuf")

NOW_US = 1_796_025_600_000_000
NOW_MS = NOW_US // 1_000
# Encoded with the classes that protoc generates from the specification's schema: a float with alias
# and time, a stale Int8 of -5, a historical Int64 of -9, a null Double, a data set and a template.
REFERENCE = bytes.fromhex(
    "08fb90dfdba23412160a0454656d701007188090dfdba2342009650000ac4112210a034c6f77100820014a100a0751"
    "75616c6974791205080318f40350fbffffff0f12140a034269672004280158f7ffffffffffffffff0112090a034f66"
    "66200a3801120c0a0353657420108a01020801120a0a0154201392010228011803"
)


class Host:
    """A handler with everything of the device `D1` mapped to tags, and what it publishes."""

    def __init__(self, folder: Path, max_points: int = 100, **config: Any) -> None:
        self.collected: Collected = new_collected(folder, max_points=max_points)
        points = [
            MetricConfig(metric="Temp*", tag="{device}.{metric}", unit="degC"),
            MetricConfig(metric="Supply", device="", tag="{group}.{node}.supply"),
        ]
        options = {"points": points, "filter": FilterConfig("none"), **config}
        self.handler = SparkplugHandler(
            SparkplugConfig(url="test", **options),
            self.collected.collector,
            self.collected.problems,
            self.collected.metrics,
        )

    def receive(self, *messages: Incoming, now_us: int = NOW_US) -> list[Outgoing]:
        return [out for one in messages for out in self.handler.receive(one, now_us)]


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def temperature(value: float, **more: Any) -> dict[str, Any]:
    return metric("Temp", 7, datatype=FLOAT, float_value=value, **more)


def born(edge: Edge) -> list[Incoming]:
    """The births of an edge node and of its device."""
    supply = metric("Supply", 1, datatype=INT32, int_value=24)
    return [edge.node_birth(supply), edge.send("DBIRTH", temperature(20.0))]


def test_reference_payload_is_read() -> None:
    read = PayloadReader(10).read(REFERENCE)
    assert (read.time_ms, read.seq) == (NOW_MS + 123, 3)
    first, low, big, off, data_set, template = read.metrics
    assert (first.name, first.alias, first.time_ms, first.value(9)) == ("Temp", 7, NOW_MS, 21.5)
    assert (low.value(1), low.status, first.status) == (-5.0, LAST_USABLE_VALUE, GOOD)
    assert (big.value(4), off.value(10)) == (-9.0, None)
    for other in (data_set, template):
        assert other.datatype is not None
        with pytest.raises(ValueError, match="no readings"):
            other.value(other.datatype)


@pytest.mark.parametrize(
    ("quality", "status"),
    [(192, GOOD), (0, BAD), (500, LAST_USABLE_VALUE), (64, UNCERTAIN), (216, GOOD)],
)
def test_quality_becomes_a_status_code(quality: int, status: int) -> None:
    (read,) = PayloadReader(10).read(payload([temperature(1.0, quality=quality)])).metrics
    assert read.status == status


def test_topics_are_read_and_wrong_ones_refused() -> None:
    topic = parse_topic("spBv1.0/Plant 1/DDATA/Edge 4/Press 7")
    assert topic is not None
    assert (topic.node, topic.kind, topic.device) == (
        NodeId("Plant 1", "Edge 4"),
        MessageType.DEVICE_DATA,
        "Press 7",
    )
    assert parse_topic("spBv1.0/STATE/scada") is None
    assert parse_topic("spBv1.0/G/NCMD/E1") is None
    for wrong in ("spBv1.0/G/NDATA", "spBv1.0/G/NDATA/E/D", "spBv1.0/G/GUESS/E", "x/G/NDATA/E"):
        with pytest.raises(ValueError, match=r"topic|levels|GUESS"):
            parse_topic(wrong)


def test_rules_match_names_with_stars_only_and_the_first_counts() -> None:
    rules = MetricRules(
        SparkplugConfig(
            url="test",
            points=[
                MetricConfig(metric="Temp[1]", device="Press *", tag="first"),
                MetricConfig(metric="*", tag="{device}/{metric}"),
            ],
        )
    )
    node = NodeId("G", "E")
    found = {
        (device, name): mapped.tag if mapped else None
        for device, name in (("Press 7", "Temp[1]"), ("Saw", "Temp1"), ("", "Temp[1]"))
        for mapped in [rules.find(node, device, name)]
    }
    assert found == {
        ("Press 7", "Temp[1]"): "first",
        ("Saw", "Temp1"): "Saw/Temp1",
        ("", "Temp[1]"): None,
    }
    assert rules.find(node, "Saw", "Device Control/Reboot") is None
    with pytest.raises(ConnectorConfigInvalid):
        check_metric_rule(MetricConfig(metric="*", tag="{edge}.x"))
    with pytest.raises(ConnectorConfigInvalid):
        check_metric_rule(MetricConfig(metric="*", device="", tag="{device}.x"))


def test_births_and_data_by_alias_become_readings(host: Host) -> None:
    edge = Edge()
    data = edge_data(edge)
    assert host.receive(*data) == []
    found = host.collected.readings()
    assert [(one["tag"], one["value"], one["time"]) for one in found] == [
        ("G.E1.supply", 24.0, "2026-11-30T08:00:00Z"),
        ("D1.Temp", 20.0, "2026-11-30T08:00:00Z"),
        ("D1.Temp", 21.5, "2026-11-30T07:59:59.500000Z"),
        ("D1.Temp", None, "2026-11-30T08:00:00.250000Z"),
    ]
    assert found[3]["quality"] == BAD_NO_DATA
    assert found[1]["unit"] == "degC"


def edge_data(edge: Edge) -> list[Incoming]:
    """Births, a value with a time of its own and a null."""
    value = metric(alias=7, timestamp=NOW_MS - 500, float_value=21.5)
    return [
        *born(edge),
        edge.send("DDATA", value, time_ms=NOW_MS),
        edge.send("DDATA", metric(alias=7, is_null=True), time_ms=NOW_MS + 250),
    ]


def test_lost_message_leads_to_one_request_for_births(host: Host) -> None:
    edge = Edge()
    host.receive(*born(edge))
    edge.skip()
    by_alias = metric(alias=7, float_value=30.0)
    (command,) = host.receive(edge.send("DDATA", by_alias))
    assert command.topic == "spBv1.0/G/NCMD/E1"
    (asked,) = PayloadReader(10).read(command.payload).metrics
    assert (asked.name, asked.value(BOOLEAN)) == ("Node Control/Rebirth", 1.0)
    # Aliases may have changed; names have not.
    named = metric("Temp", datatype=FLOAT, float_value=31.0)
    assert host.receive(edge.send("DDATA", by_alias, named)) == []
    assert host.receive(edge.send("DDATA", by_alias), now_us=NOW_US + 31_000_000) != []
    host.receive(*born(edge), edge.send("DDATA", metric(alias=7, float_value=32.0)))
    temperatures = [value for tag, value in host.collected.values() if tag == "D1.Temp"]
    assert temperatures == [20.0, 31.0, 20.0, 32.0]
    assert host.collected.problem_count("sequence_gap") == 1


def test_sequence_numbers_begin_again_after_255(host: Host) -> None:
    edge = Edge()
    messages = [*born(edge), *(edge.send("DDATA", temperature(float(n))) for n in range(300))]
    assert host.receive(*messages) == []


def test_repeated_message_is_ignored(host: Host) -> None:
    edge = Edge()
    host.receive(*born(edge))
    data = edge.send("DDATA", temperature(25.0))
    assert host.receive(data, data, edge.send("DDATA", temperature(26.0))) == []
    assert [value for _, value in host.collected.values()] == [24.0, 20.0, 25.0, 26.0]
    assert host.collected.problem_count("duplicate") == 1


def test_data_of_an_unknown_node_or_device_leads_to_a_request(host: Host) -> None:
    edge = Edge()
    assert len(host.receive(edge.send("DDATA", metric(alias=7, float_value=1.0)))) == 1
    known = Edge("E2")
    host.receive(*born(known))
    known.device = "D2"
    assert len(host.receive(known.send("DDATA", metric(alias=7, float_value=1.0)))) == 1
    assert [tag for tag, _ in host.collected.values()] == ["G.E2.supply", "D1.Temp"]


def test_deaths_end_readings_with_bad_quality(host: Host) -> None:
    edge = Edge()
    host.receive(*born(edge), edge.send("DDEATH", time_ms=NOW_MS + 1_000))
    device_death = host.collected.readings()[-1]
    assert (device_death["tag"], device_death["value"]) == ("D1.Temp", None)
    assert (device_death["quality"], device_death["time"]) == (0x8031_0000, "2026-11-30T08:00:01Z")
    host.receive(*born(edge))
    host.collected.readings()
    # The will of an earlier connection may arrive after the next birth.
    old, edge.birth = edge.death(), 1
    host.receive(*born(edge), old)
    assert [one["value"] for one in host.collected.readings()] == [24.0, 20.0]
    host.receive(edge.death(), now_us=NOW_US + 5_000_000)
    ended = host.collected.readings()
    assert {(one["tag"], one["value"], one["time"]) for one in ended} == {
        ("G.E1.supply", None, "2026-11-30T08:00:05Z"),
        ("D1.Temp", None, "2026-11-30T08:00:05Z"),
    }
    assert host.receive(edge.send("DDATA", metric(alias=7, float_value=1.0))) != []


def test_texts_templates_and_transient_metrics_are_left_out_with_a_note(host: Host) -> None:
    edge = Edge()
    host.receive(
        *born(edge),
        edge.send(
            "DDATA",
            metric("Temp text", datatype=STRING, string_value="warm"),
            metric("Temp template", datatype=TEMPLATE),
            metric("Temp", datatype=FLOAT),
            metric("Temp", datatype=FLOAT, float_value=float("nan")),
            metric("Temp", datatype=FLOAT, float_value=1.0, timestamp=2**63),
            temperature(22.0, is_transient=True),
        ),
    )
    assert [value for _, value in host.collected.values()] == [24.0, 20.0, None]
    assert host.collected.problem_count("metric_ignored") == 4


@pytest.mark.parametrize("content", [b"\xff" * 20, b"\x12\xff\xff\xff\xff\x7f", b"{}", b"\x08"])
def test_malformed_payloads_are_counted_and_change_nothing(host: Host, content: bytes) -> None:
    edge = Edge()
    host.receive(*born(edge))
    assert host.receive(Incoming(edge.topic("DDATA"), content)) == []
    assert host.receive(edge.send("DDATA", temperature(21.0))) == []
    assert host.collected.problem_count("payload_invalid") == 1
    assert len(host.receive(Incoming(edge.topic("NBIRTH"), content))) == 1


def test_birth_of_a_million_metrics_is_refused_until_a_smaller_one(tmp_path: Path) -> None:
    host = Host(tmp_path, max_metrics=1_000)
    edge = Edge()
    host.receive(*born(edge))
    million = b"\x12\x00" * 1_000_000
    with pytest.raises(TooManyMetrics):
        PayloadReader(1_000).read(million)
    assert host.receive(Incoming(edge.topic("NBIRTH"), million)) == []
    assert host.receive(edge.send("DDATA", metric(alias=7, float_value=1.0))) == []
    host.collected.readings()
    # Several births together: the bound counts for all edge nodes.
    many = [metric(f"m{n}", datatype=FLOAT, float_value=1.0) for n in range(600)]
    first, second = Edge("E2"), Edge("E3")
    host.receive(first.node_birth(*many), second.node_birth(*many))
    assert host.collected.problem_count("too_many_metrics") == 2
    host.receive(*born(edge))
    assert host.collected.values() == [("G.E1.supply", 24.0), ("D1.Temp", 20.0)]


def test_new_connection_asks_for_births_and_tells_the_host_state(tmp_path: Path) -> None:
    host = Host(tmp_path, host_id="maas")
    will = host.handler.will(NOW_US)
    assert will is not None
    assert (will.topic, will.retain, will.qos) == ("spBv1.0/STATE/maas", True, 1)
    assert msgspec.json.decode(will.payload) == {"online": False, "timestamp": NOW_MS}
    (state,) = host.handler.connected(NOW_US)
    assert msgspec.json.decode(state.payload) == {"online": True, "timestamp": NOW_MS}
    host.receive(*born(Edge()))
    topics = [out.topic for out in host.handler.connected(NOW_US)]
    assert topics == ["spBv1.0/STATE/maas", "spBv1.0/G/NCMD/E1"]


def test_retained_messages_and_tags_without_room_are_left_out(tmp_path: Path) -> None:
    host = Host(tmp_path, max_points=1)
    edge = Edge()
    birth = born(edge)
    retained = Incoming(birth[0].topic, birth[0].payload, is_retained=True)
    assert host.receive(retained, *birth) == []
    assert host.collected.values() == [("G.E1.supply", 24.0)]
