"""Apply the messages of edge nodes: which readings they give and whether a birth is needed."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from gateway.plant.connector.sparkplug.mapping import MappedMetric, MetricRules
from gateway.plant.connector.sparkplug.nodes import (
    BornDevice,
    EdgeNode,
    KnownMetric,
    NodeState,
    Order,
    birth_sequence,
    define_metrics,
)
from gateway.plant.connector.sparkplug.payload import Metric, Payload
from gateway.plant.connector.sparkplug.topics import MessageType, NodeId, SparkplugTopic
from gateway.plant.connector.sparkplug.values import BAD_NO_DATA
from gateway.plant.readings.filtering.filter import Sample
from gateway.plant.readings.formats.times import parse_number_time

# OPC UA Part 6, A.2: Bad_NoCommunication.
BAD_NO_COMMUNICATION = 0x8031_0000
_MAX_NODES = 10_000


@dataclass(slots=True)
class Effects:
    """What a message leads to: readings, a request for births, and problems by reason."""

    readings: list[tuple[MappedMetric, Sample]] = field(default_factory=list)
    needs_birth: bool = False
    problems: list[tuple[str, str]] = field(default_factory=list)


class EdgeNodes:
    """The edge nodes of a source; at most `max_metrics` metrics and devices of all together."""

    def __init__(self, rules: MetricRules, max_metrics: int) -> None:
        self._rules = rules
        self._max_metrics = max_metrics
        self._nodes: dict[NodeId, EdgeNode] = {}
        self._size = 0

    def __iter__(self) -> Iterator[EdgeNode]:
        """Yield all edge nodes."""
        yield from self._nodes.values()

    def find(self, node: NodeId) -> EdgeNode | None:
        """Return an edge node, new ones included; None if there are too many."""
        if node not in self._nodes and len(self._nodes) < _MAX_NODES:
            self._nodes[node] = EdgeNode(node)
        return self._nodes.get(node)

    def refuse(self, node: EdgeNode) -> None:
        """Ignore an edge node until its next birth, because its births are too large."""
        self._replace(node, {})
        node.state = NodeState.REFUSED

    def handle(
        self, node: EdgeNode, topic: SparkplugTopic, payload: Payload, content: bytes, now_us: int
    ) -> Effects:
        """Apply a message of an edge node that was received now."""
        effects = Effects()
        if topic.kind is MessageType.NODE_DEATH:
            self._end_node(effects, node, payload, now_us)
            return effects
        order = node.follow(topic.kind, topic.device, payload, content)
        if order is Order.DUPLICATE:
            effects.problems.append(("duplicate", topic.device or node.id.node))
            return effects
        if order is Order.GAP and node.state is NodeState.BORN:
            node.state = NodeState.OUT_OF_STEP
            effects.problems.append(("sequence_gap", node.id.node))
        if topic.kind is MessageType.DEVICE_DEATH:
            self._end_device(effects, node, topic.device, payload, now_us)
        elif topic.kind in (MessageType.NODE_BIRTH, MessageType.DEVICE_BIRTH):
            self._begin(effects, node, topic, payload)
        elif node.state is not NodeState.REFUSED:
            effects.needs_birth |= topic.device not in node.devices
        if node.state is not NodeState.REFUSED and topic.kind is not MessageType.DEVICE_DEATH:
            self._read(effects, node, topic.device, payload, now_us)
        effects.needs_birth |= node.state not in (NodeState.BORN, NodeState.REFUSED)
        return effects

    def _begin(
        self, effects: Effects, node: EdgeNode, topic: SparkplugTopic, payload: Payload
    ) -> None:
        """Take the metrics of a birth, or refuse the edge node if they are too many."""
        is_node = topic.kind is MessageType.NODE_BIRTH
        if not is_node and node.state is NodeState.REFUSED:
            return
        born = define_metrics(node.id, topic.device, payload, self._rules)
        devices = {} if is_node else dict(node.devices)
        devices[topic.device] = born
        if not self._replace(node, devices):
            self.refuse(node)
            effects.problems.append(("too_many_metrics", node.id.node))
        elif is_node:
            node.state = NodeState.BORN
            node.birth_sequence = birth_sequence(payload)

    def _replace(self, node: EdgeNode, devices: dict[str, BornDevice]) -> bool:
        """Replace the devices of an edge node if there is room for them."""
        size = sum(1 + len(one.metrics) for one in devices.values())
        if self._size - node.size + size > self._max_metrics:
            return False
        self._size += size - node.size
        node.devices = devices
        return True

    def _end_node(self, effects: Effects, node: EdgeNode, payload: Payload, now_us: int) -> None:
        """Report all metrics of an edge node without communication, unless the death is old."""
        if node.is_stale_death(payload):
            effects.problems.append(("stale_death", node.id.node))
            return
        for device in node.devices.values():
            effects.readings += _without_communication(device, now_us)
        self._replace(node, {})
        node.state, node.sequence, node.last_message = NodeState.DEAD, None, None

    def _end_device(
        self, effects: Effects, node: EdgeNode, device: str, payload: Payload, now_us: int
    ) -> None:
        """Report the metrics of a device without communication."""
        born = node.devices.get(device)
        if born is None:
            return
        try:
            time_us = now_us if payload.time_ms is None else _time_us(payload.time_ms)
        except ValueError:
            time_us = now_us
        effects.readings += _without_communication(born, time_us)
        self._replace(node, {name: one for name, one in node.devices.items() if name != device})

    def _read(
        self, effects: Effects, node: EdgeNode, device: str, payload: Payload, now_us: int
    ) -> None:
        """Add the readings of a birth or data message."""
        for metric in payload.metrics:
            known = node.find(device, metric, self._rules)
            if known is None:
                effects.needs_birth = True
                effects.problems.append(("metric_unknown", f"{node.id.node}/{device}"))
            elif known.mapped is not None and not metric.is_transient:
                self._read_metric(effects, known, known.mapped, metric, payload, now_us)

    def _read_metric(
        self,
        effects: Effects,
        known: KnownMetric,
        mapped: MappedMetric,
        metric: Metric,
        payload: Payload,
        now_us: int,
    ) -> None:
        """Add the reading of a metric, or a problem if it has none."""
        time_ms = payload.time_ms if metric.time_ms is None else metric.time_ms
        try:
            value = metric.value(metric.datatype or known.datatype)
            time_us = now_us if time_ms is None else _time_us(time_ms)
        except ValueError as error:
            effects.problems.append(("metric_ignored", f"{mapped.tag}: {error}"))
            return
        status = metric.status
        if value is None or not abs(value) < float("inf"):
            value, status = None, max(status, BAD_NO_DATA)
        effects.readings.append((mapped, Sample(time_us, value, status)))


def _without_communication(device: BornDevice, time_us: int) -> list[tuple[MappedMetric, Sample]]:
    """Return readings without a value for all mapped metrics of a device."""
    sample = Sample(time_us, None, BAD_NO_COMMUNICATION)
    return [(one.mapped, sample) for one in device.metrics.values() if one.mapped is not None]


def _time_us(time_ms: int) -> int:
    """Return milliseconds since 1970 in microseconds. Raises ValueError after the year 9999."""
    return parse_number_time(time_ms, "ms")
