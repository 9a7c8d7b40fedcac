"""Messages of Sparkplug B edge nodes for tests."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from gateway.plant.connector.messages import Incoming
from gateway.plant.connector.sparkplug.schema import PayloadClass

FLOAT, INT32, BOOLEAN, STRING, TEMPLATE, UINT64 = 9, 3, 11, 12, 19, 8
PAYLOADS = PayloadClass()


def metric(name: str | None = None, alias: int | None = None, **fields: Any) -> dict[str, Any]:
    """The fields of a metric; `quality` is its property."""
    given = {"name": name, "alias": alias, **fields}
    return {key: value for key, value in given.items() if value is not None}


def payload(
    metrics: Iterable[dict[str, Any]], seq: int | None = None, time_ms: int | None = None
) -> bytes:
    """An encoded payload."""
    message = PAYLOADS.new()
    if seq is not None:
        message.seq = seq
    if time_ms is not None:
        message.timestamp = time_ms
    for one in metrics:
        fields = dict(one)
        quality = fields.pop("quality", None)
        added = message.metrics.add(**fields)
        if quality is not None:
            added.properties.keys.append("Quality")
            added.properties.values.add(type=INT32, int_value=quality)
    content: bytes = message.SerializeToString()
    return content


@dataclass
class Edge:
    """An edge node of the group `G` with one device; counts its sequence numbers."""

    name: str = "E1"
    device: str = "D1"
    birth: int = 0
    next_seq: int = field(default=0)

    def topic(self, kind: str) -> str:
        device = f"/{self.device}" if kind.startswith("D") else ""
        return f"spBv1.0/G/{kind}/{self.name}{device}"

    def node_birth(self, *metrics: dict[str, Any]) -> Incoming:
        self.next_seq = 0
        birth = metric("bdSeq", datatype=UINT64, long_value=self.birth)
        rebirth = metric("Node Control/Rebirth", datatype=BOOLEAN, boolean_value=False)
        return self.send("NBIRTH", birth, rebirth, *metrics)

    def death(self) -> Incoming:
        birth = metric("bdSeq", datatype=UINT64, long_value=self.birth)
        return Incoming(self.topic("NDEATH"), payload([birth]))

    def send(self, kind: str, *metrics: dict[str, Any], time_ms: int | None = None) -> Incoming:
        content = payload(metrics, self.next_seq, time_ms)
        self.next_seq = (self.next_seq + 1) % 256
        return Incoming(self.topic(kind), content)

    def skip(self) -> None:
        """Lose a message."""
        self.next_seq = (self.next_seq + 1) % 256
