"""Configuration of commands: whose limits count, and the nodes, topics and metrics to write to."""

from typing import Annotated, Literal

import msgspec

from gateway.plant.connector.filters import Seconds

_Text = Annotated[str, msgspec.Meta(min_length=1, max_length=1_000)]
DataTypeName = Literal[
    "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64",
    "float", "double", "boolean",
]  # fmt: skip


class CommandsConfig(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """The account whose limits count, and files with the public keys of its owner (PEM or JWK).

    Limits that no key of the list signed are refused, whoever sends them.
    """

    account: _Text
    owner_keys: Annotated[list[_Text], msgspec.Meta(min_length=1, max_length=20)]
    poll_s: Seconds = 2.0


class NodeCommand(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A variable of an OPC UA server that may be written, and read back."""

    node: _Text
    tag: _Text
    unit: str = ""


class TopicCommand(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A topic to which values of a tag are published, as plain text or in a JSON object.

    They are read back as the readings of `tag` from the topics of the broker.
    """

    topic: _Text
    tag: _Text
    unit: str = ""
    payload: Literal["plain", "json"] = "plain"
    field: _Text = "value"


class MetricCommand(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A metric that is written by NCMD, or by DCMD with `device`, and read back as `tag`."""

    group: _Text
    node: _Text
    metric: _Text
    tag: _Text
    device: str = ""
    unit: str = ""
    data_type: DataTypeName = "double"
