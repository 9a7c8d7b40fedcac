"""Build the targets of a connector's commands from its configuration file."""

from collections.abc import Iterator, Mapping
from functools import partial

import msgspec

from gateway.plant.connector.commands.broker_target import BrokerTarget
from gateway.plant.connector.commands.config import MetricCommand, TopicCommand
from gateway.plant.connector.commands.latest_value import LatestValue
from gateway.plant.connector.commands.opcua_target import OpcUaTarget
from gateway.plant.connector.commands.targets import WriteTarget
from gateway.plant.connector.config import ConnectorConfig
from gateway.plant.connector.messages import MessageHandler, Outgoing
from gateway.plant.connector.mqtt.broker import connection_options
from gateway.plant.connector.mqtt.config import MqttConfig, SparkplugConfig
from gateway.plant.connector.mqtt.handler import PlainHandler
from gateway.plant.connector.opcua_connection import OpcUaConnection
from gateway.plant.connector.problems import Problems
from gateway.plant.connector.sparkplug.commanding import MetricCommands
from gateway.plant.connector.sparkplug.handler import SparkplugHandler
from infra.clock import Clock
from infra.telemetry.plant_metrics import ConnectorMetrics

_QOS = 1


class TargetBuilder:
    """Builds targets; each connection to a broker for commands has a client id of its own."""

    def __init__(
        self, environment: Mapping[str, str], clock: Clock, metrics: ConnectorMetrics
    ) -> None:
        self._environment = environment
        self._clock = clock
        self._metrics = metrics

    def build(self, config: ConnectorConfig) -> dict[str, WriteTarget]:
        """Return the targets by tag. Raises ConnectorConfigInvalid."""
        found: dict[str, WriteTarget] = {
            command.tag: OpcUaTarget(OpcUaConnection.of(server, self._environment), command)
            for server in config.opcua
            for command in server.commands
        }
        found.update(self._topics(config))
        found.update(self._metric_targets(config))
        return found

    def _topics(self, config: ConnectorConfig) -> Iterator[tuple[str, WriteTarget]]:
        """Yield the targets of plain topics."""
        for broker in config.mqtt:
            for command in broker.commands:
                handler = partial(self._plain_handler, broker)
                yield command.tag, self._target(broker, command, handler)

    def _metric_targets(self, config: ConnectorConfig) -> Iterator[tuple[str, WriteTarget]]:
        """Yield the targets of Sparkplug B metrics."""
        for host in config.sparkplug:
            # Another host application with the same id would announce itself offline at its end.
            quiet = msgspec.structs.replace(host, host_id=None)
            for command in host.commands:
                handler = partial(self._sparkplug_handler, quiet)
                yield command.tag, self._target(host, command, handler)

    def _target(
        self,
        broker: MqttConfig | SparkplugConfig,
        command: TopicCommand | MetricCommand,
        handler: partial[MessageHandler],
    ) -> WriteTarget:
        """Return the target of one command."""
        options = connection_options(broker, self._environment)
        options |= {
            "identifier": f"{broker.client_id}-write-{command.tag}",
            "clean_session": True,
        }
        if isinstance(command, MetricCommand):
            messages = MetricCommands(command)
            write, first = messages.write, messages.ask_births
        else:
            write, first = partial(_topic_message, command), _no_messages
        return BrokerTarget(command.tag, command.unit, options, self._clock, handler, write, first)

    def _plain_handler(self, broker: MqttConfig, latest: LatestValue) -> MessageHandler:
        """Return what reads the topics of a broker."""
        problems = Problems(broker.source, self._clock, self._metrics)
        return PlainHandler(broker, latest, problems)

    def _sparkplug_handler(self, host: SparkplugConfig, latest: LatestValue) -> MessageHandler:
        """Return what reads the metrics of edge nodes."""
        problems = Problems(host.source, self._clock, self._metrics)
        return SparkplugHandler(host, latest, problems, self._metrics)


def _topic_message(command: TopicCommand, value: float, now_us: int) -> Outgoing:
    """Return the message that writes a value to a topic. `now_us` is not sent."""
    content: object = value if command.payload == "plain" else {command.field: value}
    return Outgoing(command.topic, msgspec.json.encode(content), qos=_QOS)


def _no_messages(now_us: int) -> list[Outgoing]:
    """Return no messages: plain topics cannot be asked for their values."""
    return []
