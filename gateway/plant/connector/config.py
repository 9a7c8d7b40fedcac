"""The configuration file of a connector (TOML): gateway, queue and sources with their points."""

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from gateway.plant.connector.commands.config import CommandsConfig, NodeCommand
from gateway.plant.connector.errors import ConnectorConfigInvalid
from gateway.plant.connector.filters import FilterConfig, Seconds, create_filter
from gateway.plant.connector.mqtt.config import MqttConfig, SparkplugConfig
from gateway.plant.connector.mqtt.topics import check_topic_rule
from gateway.plant.connector.sparkplug.mapping import check_metric_rule

_MAX_CONFIG_BYTES = 4 << 20


class PointConfig(msgspec.Struct, forbid_unknown_fields=True):
    """A variable of an OPC UA server and the tag of its point; `filter` replaces the source's."""

    node: str
    tag: str
    unit: str = ""
    filter: FilterConfig | None = None


class OpcUaConfig(msgspec.Struct, forbid_unknown_fields=True):
    """An OPC UA server with its subscribed variables, and how to sign in to it.

    The password is read from an environment variable or from a file. With `security`, messages are
    signed, or signed and encrypted, by `policy`; certificates are files in PEM or DER.
    """

    url: str
    points: list[PointConfig]
    interval_ms: Annotated[float, msgspec.Meta(gt=0, le=3_600_000)] = 1_000.0
    filter: FilterConfig = FilterConfig()
    commands: list[NodeCommand] = []
    username: str | None = None
    password_variable: str | None = None
    password_file: str | None = None
    security: Literal["none", "sign", "sign_and_encrypt"] = "none"
    policy: Literal["basic256sha256", "aes128_sha256_rsaoaep", "aes256_sha256_rsapss"] = (
        "basic256sha256"
    )
    certificate_file: str | None = None
    private_key_file: str | None = None
    server_certificate_file: str | None = None


class ConnectorConfig(msgspec.Struct, forbid_unknown_fields=True):
    """A connector: address of the gateway, variable with its API key, queue and sources.

    `queue_bytes` bounds the queue on disk; readings above it are refused and counted. `max_points`
    bounds the points that topics and metrics with wildcards add. `metrics_port` is 0 for none.
    """

    url: str
    queue: str
    source: Annotated[str, msgspec.Meta(min_length=1, max_length=100)] = "connector"
    key_variable: str = "MAAS_API_KEY"
    queue_bytes: Annotated[int, msgspec.Meta(ge=1 << 16)] = 1 << 30
    batch_readings: Annotated[int, msgspec.Meta(ge=1, le=50_000)] = 5_000
    flush_s: Seconds = 1.0
    max_points: Annotated[int, msgspec.Meta(ge=1, le=500_000)] = 50_000
    metrics_port: Annotated[int, msgspec.Meta(ge=0, le=65_535)] = 0
    metrics_address: str = "127.0.0.1"
    opcua: list[OpcUaConfig] = []
    mqtt: list[MqttConfig] = []
    sparkplug: list[SparkplugConfig] = []
    commands: CommandsConfig | None = None

    @property
    def command_tags(self) -> list[str]:
        """The tags that commands may be written to."""
        tags = [command.tag for server in self.opcua for command in server.commands]
        tags += [command.tag for broker in self.mqtt for command in broker.commands]
        return tags + [command.tag for host in self.sparkplug for command in host.commands]


def load_config(path: Path) -> ConnectorConfig:
    """Read a configuration file. Raises ConnectorConfigInvalid."""
    try:
        content = path.read_bytes()[: _MAX_CONFIG_BYTES + 1]
        config = msgspec.convert(tomllib.loads(content.decode("utf-8")), ConnectorConfig)
    except (OSError, ValueError, RecursionError, msgspec.ValidationError) as error:
        raise ConnectorConfigInvalid(f"{path.name} cannot be used: {error}.") from None
    tags = [point.tag for server in config.opcua for point in server.points]
    if len(tags) > len(set(tags)):
        raise ConnectorConfigInvalid("The file must name no tag twice.")
    if not (tags or config.command_tags or config.mqtt or config.sparkplug):
        raise ConnectorConfigInvalid("The file must name at least one point, topic or metric.")
    _check_commands(config)
    for one in _filters(config):
        create_filter(one)
    _check_rules(config)
    return config


def _check_commands(config: ConnectorConfig) -> None:
    """Raise ConnectorConfigInvalid for a tag that two commands name, or without `[commands]`."""
    tags = config.command_tags
    if len(tags) > len(set(tags)):
        raise ConnectorConfigInvalid("Commands must name no tag twice.")
    if tags and config.commands is None:
        raise ConnectorConfigInvalid("Commands need the section `[commands]` with `owner_keys`.")


def _filters(config: ConnectorConfig) -> Iterator[FilterConfig]:
    """Yield the filters of all sources and points."""
    for server in config.opcua:
        yield server.filter
        yield from (point.filter for point in server.points if point.filter)
    for broker in config.mqtt:
        yield broker.filter
        yield from (rule.filter for rule in broker.topics if rule.filter)
    for host in config.sparkplug:
        yield host.filter
        yield from (rule.filter for rule in host.points if rule.filter)


def _check_rules(config: ConnectorConfig) -> None:
    """Check topics, tags and client ids of brokers. Raises ConnectorConfigInvalid."""
    clients = [(one.url, one.client_id) for one in (*config.mqtt, *config.sparkplug)]
    if len(clients) > len(set(clients)):
        raise ConnectorConfigInvalid("Sources of one broker need different values of `client_id`.")
    for broker in config.mqtt:
        for topic_rule in broker.topics:
            check_topic_rule(topic_rule)
    for host in config.sparkplug:
        for metric_rule in host.points:
            check_metric_rule(metric_rule)
