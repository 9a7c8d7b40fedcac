"""Plain MQTT messages: topics find their rule, payloads become readings."""

from pathlib import Path
from typing import Any

import pytest

from gateway.plant.connector.errors import ConnectorConfigInvalid
from gateway.plant.connector.filters import FilterConfig
from gateway.plant.connector.messages import Incoming
from gateway.plant.connector.mqtt.broker import connection_options
from gateway.plant.connector.mqtt.config import BrokerConfig, MqttConfig, TopicConfig
from gateway.plant.connector.mqtt.handler import PlainHandler
from gateway.plant.connector.mqtt.payloads import BAD_DECODING, BAD_NO_DATA, read_payload
from gateway.plant.connector.mqtt.topics import TopicRules, check_topic_rule
from gateway.plant.readings.quality import GOOD, UNCERTAIN
from tests.support.plant.collecting import Collected, new_collected

NOW_US = 1_796_025_600_000_000


@pytest.mark.parametrize(
    ("topic", "tag"),
    [
        ("plant/line1/temp", "exact"),
        ("plant/line2/temp", "one"),
        ("plant/line2/press/temp", "rest"),
        ("plant", "rest"),
        ("shared/a", "shared"),
        ("$SYS/a", None),
        ("other", None),
    ],
)
def test_exact_topics_come_first_then_filters_in_order(topic: str, tag: str | None) -> None:
    rules = TopicRules(
        [
            TopicConfig(topic="plant/+/temp", tag="one"),
            TopicConfig(topic="plant/#", tag="rest"),
            TopicConfig(topic="plant/line1/temp", tag="exact"),
            TopicConfig(topic="$share/maas/shared/+", tag="shared"),
            TopicConfig(topic="+/a", tag="any"),
        ]
    )
    for _ in range(2):
        rule = rules.find(topic)
        assert (rule.tag if rule else None) == tag


@pytest.mark.parametrize(
    ("topic", "tag"),
    [
        ("a/#/b", "x"),
        ("a/b+", "x"),
        ("a/b", "{3}"),
        ("a/b", "{rest}"),
        ("a/#", "{2}"),
        ("a/b", "{field"),
        ("a/b", "{}"),
    ],
)
def test_wrong_topics_and_tags_are_refused(topic: str, tag: str) -> None:
    with pytest.raises(ConnectorConfigInvalid):
        check_topic_rule(TopicConfig(topic=topic, tag=tag))


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (b"21.5", (21.5, GOOD)),
        (b" 7 ", (7.0, GOOD)),
        (b'"3.5"', (3.5, GOOD)),
        (b"true", (1.0, GOOD)),
        (b"OFF", (0.0, GOOD)),
        (b"null", (None, BAD_NO_DATA)),
        (b"", (None, BAD_DECODING)),
        (b"warm", (None, BAD_DECODING)),
        (b"nan", (None, BAD_DECODING)),
        (b"1e999", (None, BAD_DECODING)),
        (b"\xff\xfe", (None, BAD_DECODING)),
        (b"[" * 100_000, (None, BAD_DECODING)),
        (b'{"value": 4, "quality": "uncertain"}', (4.0, UNCERTAIN)),
        (b'{"value": 4, "quality": "excellent"}', (None, BAD_DECODING)),
        (b'{"value": 4, "time": "yesterday"}', (None, BAD_DECODING)),
        (b'{"other": 4}', (None, BAD_DECODING)),
        (b'{"value": {"a": 1}}', (None, BAD_DECODING)),
        (b'{"value": ' + b"9" * 400 + b"}", (None, BAD_DECODING)),
    ],
)
def test_payload_is_a_value_or_a_bad_reading(payload: bytes, expected: Any) -> None:
    (read,) = read_payload(TopicConfig(topic="a", tag="a"), payload, NOW_US)
    found = None if read.sample.value is None else read.sample
    if expected[0] is None:
        assert found is None
        assert read.sample.status == expected[1]
    else:
        assert (read.sample.value, read.sample.status) == expected
    assert read.sample.time_us == NOW_US


@pytest.mark.parametrize(
    ("rule", "payload", "expected"),
    [
        (
            {"value": "d.t", "time": "ts", "time_unit": "ms", "quality": "d.q"},
            b'{"d": {"t": 5, "q": "bad"}, "ts": 1796025600500}',
            [("", 5.0, 500_000)],
        ),
        (
            {"time": "ts"},
            b'{"value": 5, "ts": "2026-11-30T16:00:01+08:00"}',
            [("", 5.0, 1_000_000)],
        ),
        (
            {"fields": ["a", "b.c", "d"]},
            b'{"a": 1, "b": {"c": 2}}',
            [("a", 1.0, 0), ("b.c", 2.0, 0)],
        ),
        (
            {"fields": ["*"]},
            b'{"a": 1, "on": true, "name": "x", "time": 1796025601, "quality": 0}',
            [("a", 1.0, 1_000_000), ("on", 1.0, 1_000_000)],
        ),
        (
            {},
            b'[{"value": 1, "time": 1796025600}, {"value": 2, "time": 1796025601}]',
            [("", 1.0, 0), ("", 2.0, 1_000_000)],
        ),
    ],
)
def test_objects_and_lists_are_read_by_paths(rule: Any, payload: bytes, expected: Any) -> None:
    read = read_payload(TopicConfig(topic="a", tag="a", **rule), payload, NOW_US)
    found = [(one.field, one.sample.value, one.sample.time_us - NOW_US) for one in read]
    assert found == expected


class Source:
    """A handler of some topics."""

    def __init__(self, folder: Path) -> None:
        self.collected: Collected = new_collected(folder, max_points=3)
        topics = [
            TopicConfig(topic="plant/+/+", tag="{2}.{3}", unit="degC"),
            TopicConfig(topic="raw/#", tag="{rest}.{field}", fields=["*"]),
            TopicConfig(topic="plant/+/+", tag="unused"),
        ]
        config = MqttConfig(url="test", topics=topics, filter=FilterConfig("deadband", 0.5))
        self.handler = PlainHandler(config, self.collected.collector, self.collected.problems)

    def receive(self, topic: str, payload: bytes, second: int = 0, **more: Any) -> None:
        message = Incoming(topic, payload, **more)
        assert self.handler.receive(message, NOW_US + second * 1_000_000) == ()


def test_tags_are_made_of_topic_levels_and_fields_and_filtered_apart(tmp_path: Path) -> None:
    source = Source(tmp_path)
    assert source.handler.subscriptions == [("plant/+/+", 1), ("raw/#", 1)]
    for second, value in enumerate((b"20", b"20.1", b"21")):
        source.receive("plant/press/temp", value, second)
        source.receive("plant/saw/temp", b"5", second)
    source.receive("raw/a/b", b'{"x": 1}')
    assert sorted(source.collected.values()) == [
        ("a.b.x", 1.0), ("press.temp", 20.0), ("press.temp", 21.0), ("saw.temp", 5.0),
    ]  # fmt: skip


def test_what_cannot_be_a_reading_is_counted(tmp_path: Path) -> None:
    source = Source(tmp_path)
    source.receive("other", b"1")
    source.receive("plant/a/b", b"[1, 2]")
    source.receive("plant/a/b", b"[" + b",".join([b"{}"] * 50_001) + b"]")
    source.receive("plant/a\n/b", b"1")
    source.receive("plant/a/b", b"broken")
    for tag in ("c", "d", "e"):
        source.receive(f"plant/{tag}/x", b"1")
    counts = {
        reason: source.collected.problem_count(reason)
        for reason in ("topic_unknown", "payload_invalid", "tag_refused", "value_missing")
    }
    assert counts == {
        "topic_unknown": 1,
        "payload_invalid": 2,
        "tag_refused": 2,
        "value_missing": 1,
    }
    assert source.collected.values() == [("a.b", None), ("c.x", 1.0), ("d.x", 1.0)]


def test_retained_messages_count_only_with_a_time(tmp_path: Path) -> None:
    source = Source(tmp_path)
    source.receive("plant/a/b", b"1", is_retained=True)
    source.receive("plant/a/b", b'{"value": 2, "time": 1796025600}', is_retained=True)
    assert source.collected.values() == [("a.b", 2.0)]


def test_late_repeated_and_future_readings_pass_the_filter(tmp_path: Path) -> None:
    source = Source(tmp_path)
    for second, value in ((10, 20.0), (5, 20.1), (10, 20.0), (11, 20.2)):
        time = 1796025600 + second
        source.receive("plant/a/b", b'{"value": %.1f, "time": %d}' % (value, time))
    # A clock that is a year ahead must not make all later readings late.
    source.receive("plant/a/b", b'{"value": 9, "time": "9000-01-01T00:00:00Z"}')
    source.receive("plant/a/b", b'{"value": 20.3, "time": 1796025612}')
    assert [value for _, value in source.collected.values()] == [20.0, 20.1, 20.0, 9.0]


@pytest.mark.parametrize(
    "wrong",
    [
        {"url": "http://broker"},
        {"url": "mqtt://"},
        {"url": "mqtt://user:secret@broker"},
        {"url": "mqtt://broker:port"},
        {"url": "mqtt://broker", "password_variable": "NOT_SET"},
        {"url": "mqtt://broker", "password_file": "/does/not/exist"},
        {"url": "mqtts://broker", "ca_file": "/does/not/exist"},
    ],
)
def test_wrong_broker_settings_are_refused(wrong: dict[str, str]) -> None:
    with pytest.raises(ConnectorConfigInvalid) as refused:
        connection_options(BrokerConfig(**wrong), {})
    assert "secret" not in str(refused.value)


def test_broker_settings_name_secrets(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("from-file\n")
    by_file = BrokerConfig(
        url="mqtt://[::1]", username="u", password_file=str(tmp_path / "password")
    )
    options = connection_options(by_file, {})
    assert (options["hostname"], options["port"], options["password"]) == ("::1", 1883, "from-file")
    by_name = BrokerConfig(url="mqtts://broker:9", username="u", password_variable="PASSWORD")
    options = connection_options(by_name, {"PASSWORD": "by-name"})
    assert (options["port"], options["password"]) == (9, "by-name")
    assert options["tls_context"].check_hostname
