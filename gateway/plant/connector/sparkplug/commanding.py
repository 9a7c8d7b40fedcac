"""Payloads of commands to Sparkplug B edge nodes and devices (NCMD, DCMD)."""

from gateway.plant.connector.commands.config import MetricCommand
from gateway.plant.connector.messages import Outgoing
from gateway.plant.connector.sparkplug.payload import PayloadReader
from gateway.plant.connector.sparkplug.schema import PayloadClass
from gateway.plant.connector.sparkplug.topics import NAMESPACE, NodeId
from gateway.plant.connector.sparkplug.values import DataType

_MILLISECOND_US = 1_000
_LONG = (DataType.INT64, DataType.UINT64)
_FEW_METRICS = 1


class MetricCommands:
    """Creates the messages for one metric."""

    def __init__(self, config: MetricCommand) -> None:
        self._config = config
        self._class = PayloadClass()
        self._node = NodeId(config.group, config.node)

    def ask_births(self, now_us: int) -> list[Outgoing]:
        """Return the request for births, which contain the current value and the aliases."""
        content = PayloadReader(_FEW_METRICS).rebirth_command(now_us // _MILLISECOND_US)
        return [Outgoing(self._node.command_topic, content)]

    def write(self, value: float, now_us: int) -> Outgoing:
        """Return the command that writes a value. Raises ValueError if it has no such value."""
        payload = self._class.new()
        payload.timestamp = now_us // _MILLISECOND_US
        kind = DataType[self._config.data_type.upper()]
        metric = payload.metrics.add(
            name=self._config.metric, timestamp=payload.timestamp, datatype=int(kind)
        )
        field, content = _encoded(kind, value)
        setattr(metric, field, content)
        return Outgoing(self._topic(), payload.SerializeToString())

    def _topic(self) -> str:
        """Return the topic: of the device, or of the edge node itself."""
        if not self._config.device:
            return self._node.command_topic
        return f"{NAMESPACE}/{self._node.group}/DCMD/{self._node.node}/{self._config.device}"


def _encoded(kind: DataType, value: float) -> tuple[str, bool | int | float]:
    """Return the field and the content of a value. Raises ValueError if the type has no such."""
    if kind is DataType.DOUBLE:
        return "double_value", value
    if kind is DataType.FLOAT:
        return "float_value", value
    if not value.is_integer():
        raise ValueError(f"{value:g} is no value of the type {kind.name}")
    if kind is DataType.BOOLEAN:
        return "boolean_value", value != 0
    bits = 64 if kind in _LONG else 32
    return "long_value" if kind in _LONG else "int_value", int(value) % (1 << bits)
