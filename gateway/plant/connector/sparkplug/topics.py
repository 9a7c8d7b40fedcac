"""Topics of Sparkplug B: `spBv1.0/group/TYPE/edge node/device`."""

from dataclasses import dataclass
from enum import StrEnum

NAMESPACE = "spBv1.0"


class MessageType(StrEnum):
    """The messages of edge nodes and devices that readings come from."""

    NODE_BIRTH = "NBIRTH"
    NODE_DATA = "NDATA"
    NODE_DEATH = "NDEATH"
    DEVICE_BIRTH = "DBIRTH"
    DEVICE_DATA = "DDATA"
    DEVICE_DEATH = "DDEATH"


_OF_DEVICE = frozenset(
    {MessageType.DEVICE_BIRTH, MessageType.DEVICE_DATA, MessageType.DEVICE_DEATH}
)


@dataclass(frozen=True, slots=True)
class NodeId:
    """An edge node of a group."""

    group: str
    node: str

    @property
    def command_topic(self) -> str:
        """The topic of commands to the edge node."""
        return f"{NAMESPACE}/{self.group}/NCMD/{self.node}"


@dataclass(frozen=True, slots=True)
class SparkplugTopic:
    """A topic; `device` is empty for messages of the edge node itself."""

    node: NodeId
    kind: MessageType
    device: str


def parse_topic(topic: str) -> SparkplugTopic | None:
    """Return the parts of a topic; None for commands and states. Raises ValueError."""
    levels = topic.split("/")
    if len(levels) == 3 and levels[1] == "STATE":
        return None
    if len(levels) not in (4, 5) or levels[0] != NAMESPACE or not all(levels):
        raise ValueError(f"{topic!r} is no topic of Sparkplug B")
    if levels[2] in ("NCMD", "DCMD"):
        return None
    kind = MessageType(levels[2])
    if (kind in _OF_DEVICE) != (len(levels) == 5):
        raise ValueError(f"{topic!r} has a wrong number of levels")
    return SparkplugTopic(NodeId(levels[1], levels[3]), kind, levels[4] if levels[4:] else "")


def subscriptions(group: str) -> list[str]:
    """Return the topic filters of a group's births, data and deaths, without commands."""
    return [
        f"{NAMESPACE}/{group}/{kind}/+{'/+' if kind in _OF_DEVICE else ''}" for kind in MessageType
    ]


def state_topic(host_id: str) -> str:
    """Return the topic of a host application's state."""
    return f"{NAMESPACE}/STATE/{host_id}"
