"""Configuration of MQTT brokers, of topics with plain payloads and of Sparkplug B metrics."""

from typing import Annotated, Literal

import msgspec

from gateway.plant.connector.addresses import shown_address
from gateway.plant.connector.commands.config import MetricCommand, TopicCommand
from gateway.plant.connector.filters import FilterConfig, Seconds

_Text = Annotated[str, msgspec.Meta(min_length=1, max_length=1_000)]
TimeUnit = Literal["s", "ms", "us", "ns"]


class BrokerConfig(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A broker: `mqtt://host:1883` or, with TLS, `mqtts://host:8883`, and how to sign in.

    The password is read from an environment variable or from a file. Paths are of PEM files. Larger
    payloads than `max_payload_bytes` are refused.
    """

    url: str
    client_id: Annotated[str, msgspec.Meta(min_length=1, max_length=200)] = "maas-connector"
    username: str | None = None
    password_variable: str | None = None
    password_file: str | None = None
    ca_file: str | None = None
    certificate_file: str | None = None
    private_key_file: str | None = None
    keepalive_s: Annotated[int, msgspec.Meta(ge=5, le=3_600)] = 30
    max_payload_bytes: Annotated[int, msgspec.Meta(ge=1_024, le=64 << 20)] = 4 << 20
    filter: FilterConfig = FilterConfig()

    @property
    def source(self) -> str:
        """The name of the connection in logs and metrics."""
        return f"{shown_address(self.url)}/{self.client_id}"


class TopicConfig(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Messages of a topic filter, and the tags of their readings.

    `tag` may contain `{1}` for the first level of the topic and so on, `{rest}` for the levels
    that `#` matched, and `{field}` for the field of a JSON object. `value`, `time` and `quality`
    are paths in JSON objects, with dots. With `fields` each of them is a reading; `*` means all
    that are numbers or truth values.
    """

    topic: _Text
    tag: _Text
    unit: str = ""
    filter: FilterConfig | None = None
    value: _Text = "value"
    fields: list[_Text] = []
    time: _Text = "time"
    time_unit: TimeUnit = "s"
    quality: _Text = "quality"


class MqttConfig(BrokerConfig, kw_only=True):
    """A broker with topics of plain payloads: single values or JSON.

    With a persistent session the broker keeps messages while the connector is away, at QoS 1 and 2.
    """

    topics: Annotated[list[TopicConfig], msgspec.Meta(min_length=1)]
    qos: Annotated[int, msgspec.Meta(ge=0, le=2)] = 1
    persistent_session: bool = True
    commands: list[TopicCommand] = []


class MetricConfig(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Metrics of Sparkplug B and the tags of their readings; `*` in names matches any text.

    `device` does not match metrics of edge nodes themselves; an empty one matches only those. `tag`
    may contain `{group}`, `{node}`, `{device}` and `{metric}`.
    """

    metric: _Text
    tag: _Text
    group: str = "*"
    node: str = "*"
    device: str = "*"
    unit: str = ""
    filter: FilterConfig | None = None


class SparkplugConfig(BrokerConfig, kw_only=True):
    """A broker with edge nodes of Sparkplug B.

    `host_id` makes the connector a host application that announces its state, for edge nodes that
    store readings while it is offline. `max_metrics` bounds the metrics of all births together.
    """

    points: Annotated[list[MetricConfig], msgspec.Meta(min_length=1)]
    groups: Annotated[list[_Text], msgspec.Meta(min_length=1)] = msgspec.field(
        default_factory=lambda: ["+"]
    )
    host_id: str | None = None
    max_metrics: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 100_000
    rebirth_s: Seconds = 30.0
    commands: list[MetricCommand] = []
