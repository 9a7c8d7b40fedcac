"""Collect the readings of Sparkplug B messages, and ask edge nodes for their births."""

from collections.abc import Sequence

import msgspec

from gateway.plant.connector.messages import Incoming, Outgoing, ReadingSink
from gateway.plant.connector.mqtt.config import SparkplugConfig
from gateway.plant.connector.problems import Problems
from gateway.plant.connector.sparkplug.mapping import MetricRules
from gateway.plant.connector.sparkplug.nodes import EdgeNode, NodeState
from gateway.plant.connector.sparkplug.payload import Payload, PayloadReader, TooManyMetrics
from gateway.plant.connector.sparkplug.session import EdgeNodes, Effects
from gateway.plant.connector.sparkplug.topics import (
    MessageType,
    SparkplugTopic,
    parse_topic,
    state_topic,
    subscriptions,
)
from infra.telemetry.plant_metrics import ConnectorMetrics

_SECOND_US, _MILLISECOND_US = 1_000_000, 1_000
_BIRTHS = frozenset({MessageType.NODE_BIRTH, MessageType.DEVICE_BIRTH})
_DATA = frozenset({MessageType.NODE_DATA, MessageType.DEVICE_DATA})


class SparkplugHandler:
    """Handles messages of edge nodes of one broker."""

    def __init__(
        self,
        config: SparkplugConfig,
        collector: ReadingSink,
        problems: Problems,
        metrics: ConnectorMetrics,
    ) -> None:
        self._config = config
        self._collector = collector
        self._problems = problems
        self._metrics = metrics
        self._reader = PayloadReader(config.max_metrics)
        self._nodes = EdgeNodes(MetricRules(config), config.max_metrics)
        self._started_us = 0

    @property
    def subscriptions(self) -> Sequence[tuple[str, int]]:
        """The births, data and deaths of all groups."""
        return [(topic, 1) for group in self._config.groups for topic in subscriptions(group)]

    def will(self, now_us: int) -> Outgoing | None:
        """Return the state `offline` of a host application, if the connector is one."""
        self._started_us = now_us
        return self._state(is_online=False)

    def connected(self, now_us: int) -> Sequence[Outgoing]:
        """Return the state `online`, and requests for the births of all known edge nodes."""
        state = self._state(is_online=True)
        commands = [self._command(node, now_us) for node in self._nodes if _is_followed(node)]
        return commands if state is None else [state, *commands]

    def receive(self, message: Incoming, now_us: int) -> Sequence[Outgoing]:
        """Collect the readings of a message; return a request for births if one is needed."""
        try:
            topic = parse_topic(message.topic)
        except ValueError as error:
            self._problems.report("topic_invalid", str(error))
            return ()
        if topic is None or message.is_retained:
            return ()
        node = self._nodes.find(topic.node)
        if node is None:
            self._problems.report("too_many_nodes", message.topic)
            return ()
        effects = self._apply(node, topic, message, now_us)
        self._collect(effects)
        return self._request_births(node, now_us) if effects.needs_birth else ()

    def _apply(
        self, node: EdgeNode, topic: SparkplugTopic, message: Incoming, now_us: int
    ) -> Effects:
        """Read the payload of a message and apply it."""
        try:
            payload = self._reader.read(message.payload)
        except TooManyMetrics as error:
            self._nodes.refuse(node)
            return Effects(problems=[("too_many_metrics", f"{message.topic}: {error}")])
        except ValueError as error:
            is_birth = topic.kind in _BIRTHS and node.state is not NodeState.REFUSED
            problem = ("payload_invalid", f"{message.topic}: {error}")
            return Effects(needs_birth=is_birth, problems=[problem])
        if topic.kind in _DATA:
            self._observe_clock(payload, now_us)
        return self._nodes.handle(node, topic, payload, message.payload, now_us)

    def _collect(self, effects: Effects) -> None:
        """Collect readings and report problems."""
        for reason, detail in effects.problems:
            self._problems.report(reason, detail)
        for mapped, sample in effects.readings:
            if self._collector.add_point(mapped.tag, mapped.unit, mapped.filter):
                self._collector.add(mapped.tag, sample)
            else:
                self._problems.report("tag_refused", mapped.tag)

    def _request_births(self, node: EdgeNode, now_us: int) -> Sequence[Outgoing]:
        """Return the command for births, unless an edge node was asked a short time ago."""
        asked_us = node.rebirth_asked_us
        if asked_us is not None and now_us - asked_us < self._config.rebirth_s * _SECOND_US:
            return ()
        return (self._command(node, now_us),)

    def _command(self, node: EdgeNode, now_us: int) -> Outgoing:
        """Return the command that asks an edge node for its births."""
        node.rebirth_asked_us = now_us
        self._metrics.rebirths.labels(self._config.source).inc()
        content = self._reader.rebirth_command(now_us // _MILLISECOND_US)
        return Outgoing(node.id.command_topic, content)

    def _state(self, *, is_online: bool) -> Outgoing | None:
        """Return the state of a host application; None if the connector is none."""
        if self._config.host_id is None:
            return None
        state = {"online": is_online, "timestamp": self._started_us // _MILLISECOND_US}
        content = msgspec.json.encode(state)
        return Outgoing(state_topic(self._config.host_id), content, qos=1, retain=True)

    def _observe_clock(self, payload: Payload, now_us: int) -> None:
        """Record how far the clock of an edge node is behind the connector's."""
        if payload.time_ms is not None:
            behind_s = now_us / _SECOND_US - payload.time_ms / _MILLISECOND_US
            self._metrics.clock_skew.labels(self._config.source).set(behind_s)


def _is_followed(node: EdgeNode) -> bool:
    """Whether births of an edge node are wanted after a new connection."""
    return node.state is not NodeState.REFUSED
