"""What is known of edge nodes: births, aliases and sequence numbers (Eclipse Sparkplug 3.0, 6.4).

    unknown -> born -> out of step (a message is missing) -> born
                  \\-> dead -> born            refused: its births are too large

Without a birth aliases may mean other metrics, so that values of those are left out until the next
one, which is requested. Values with names are used in each state.
"""

from dataclasses import dataclass, field
from enum import Enum, auto

from gateway.plant.connector.sparkplug.mapping import (
    BIRTH_SEQUENCE,
    MappedMetric,
    MetricRules,
)
from gateway.plant.connector.sparkplug.payload import Metric, Payload
from gateway.plant.connector.sparkplug.topics import MessageType, NodeId

_SEQUENCE_LENGTH = 256
_UINT64 = 8


class NodeState(Enum):
    """Whether the aliases of an edge node are known."""

    UNKNOWN = auto()
    BORN = auto()
    OUT_OF_STEP = auto()
    DEAD = auto()
    REFUSED = auto()


class Order(Enum):
    """How a message follows the one before it."""

    NEXT = auto()
    DUPLICATE = auto()
    GAP = auto()


@dataclass(frozen=True, slots=True)
class KnownMetric:
    """A metric's data type and what it is mapped to; None if to nothing."""

    datatype: int
    mapped: MappedMetric | None


@dataclass(slots=True)
class BornDevice:
    """The metrics of a device, or of an edge node itself, from its birth."""

    metrics: dict[str, KnownMetric] = field(default_factory=dict)
    aliases: dict[int, KnownMetric] = field(default_factory=dict)


@dataclass(slots=True)
class EdgeNode:
    """State of an edge node; the device with the empty name is the edge node itself."""

    id: NodeId
    state: NodeState = NodeState.UNKNOWN
    devices: dict[str, BornDevice] = field(default_factory=dict)
    sequence: int | None = None
    birth_sequence: int | None = None
    last_message: int | None = None
    rebirth_asked_us: int | None = None

    @property
    def size(self) -> int:
        """The number of devices and metrics."""
        return sum(1 + len(one.metrics) for one in self.devices.values())

    def follow(self, kind: MessageType, device: str, payload: Payload, content: bytes) -> Order:
        """Take a message's sequence number; return how it follows the last one."""
        digest = hash((kind, device, content))
        before, now = self.sequence, payload.seq
        is_repeated = now is not None and now == before and digest == self.last_message
        if is_repeated:
            return Order.DUPLICATE
        self.last_message = digest
        if now is not None:
            self.sequence = now
        if kind is MessageType.NODE_BIRTH or before is None or now is None:
            return Order.NEXT
        return Order.NEXT if now == (before + 1) % _SEQUENCE_LENGTH else Order.GAP

    def is_stale_death(self, payload: Payload) -> bool:
        """Whether a death belongs to an earlier connection than the last birth."""
        death = birth_sequence(payload)
        return None not in (death, self.birth_sequence) and death != self.birth_sequence

    def find(self, device: str, metric: Metric, rules: MetricRules) -> KnownMetric | None:
        """Return a metric of a data message; None if only a birth can tell what it is."""
        born = self.devices.get(device)
        if metric.name is None:
            if self.state is not NodeState.BORN or born is None or metric.alias is None:
                return None
            return born.aliases.get(metric.alias)
        known = born.metrics.get(metric.name) if born else None
        if known is None and metric.datatype is not None:
            return KnownMetric(metric.datatype, rules.find(self.id, device, metric.name))
        return known


def define_metrics(node: NodeId, device: str, payload: Payload, rules: MetricRules) -> BornDevice:
    """Return the metrics of a birth."""
    born = BornDevice()
    for metric in payload.metrics:
        if metric.name is None:
            continue
        known = KnownMetric(metric.datatype or 0, rules.find(node, device, metric.name))
        born.metrics[metric.name] = known
        if metric.alias is not None:
            born.aliases[metric.alias] = known
    return born


def birth_sequence(payload: Payload) -> int | None:
    """Return the number of the connection that a birth or death belongs to (`bdSeq`)."""
    for metric in payload.metrics:
        if metric.name == BIRTH_SEQUENCE:
            try:
                value = metric.value(metric.datatype or _UINT64)
            except ValueError:
                return None
            return None if value is None else int(value)
    return None
