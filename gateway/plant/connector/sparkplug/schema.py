"""The protobuf messages of Sparkplug B (Eclipse Sparkplug 3.0, 6.4), as far as readings need them.

Field numbers and types are those of the specification. Data sets, templates and extensions are not
declared: protobuf keeps them unread, so that nested ones cost nothing.
"""

from types import MappingProxyType
from typing import Any

from infra.lazy_import import LazyModule

# Classes are made at run time, so types would say nothing.
descriptor_pb2: Any = LazyModule("google.protobuf.descriptor_pb2")
descriptor_pool: Any = LazyModule("google.protobuf.descriptor_pool")
message: Any = LazyModule("google.protobuf.message")
message_factory: Any = LazyModule("google.protobuf.message_factory")

PACKAGE = "maas.sparkplug"
# name: (number, type); a capital letter names a message, `*` a repeated field.
_PAYLOAD = MappingProxyType(
    {"timestamp": (1, "uint64"), "metrics": (2, "Metric*"), "seq": (3, "uint64")}
)
_METRIC = MappingProxyType(
    {
        "name": (1, "string"),
        "alias": (2, "uint64"),
        "timestamp": (3, "uint64"),
        "datatype": (4, "uint32"),
        "is_historical": (5, "bool"),
        "is_transient": (6, "bool"),
        "is_null": (7, "bool"),
        "properties": (9, "PropertySet"),
        "int_value": (10, "uint32"),
        "long_value": (11, "uint64"),
        "float_value": (12, "float"),
        "double_value": (13, "double"),
        "boolean_value": (14, "bool"),
        "string_value": (15, "string"),
    }
)
_PROPERTY_SET = MappingProxyType({"keys": (1, "string*"), "values": (2, "PropertyValue*")})
_PROPERTY_VALUE = MappingProxyType(
    {
        "type": (1, "uint32"),
        "is_null": (2, "bool"),
        "int_value": (3, "uint32"),
        "long_value": (4, "uint64"),
        "float_value": (5, "float"),
        "double_value": (6, "double"),
        "boolean_value": (7, "bool"),
        "string_value": (8, "string"),
    }
)
_MESSAGES = MappingProxyType(
    {
        "Payload": _PAYLOAD,
        "Metric": _METRIC,
        "PropertySet": _PROPERTY_SET,
        "PropertyValue": _PROPERTY_VALUE,
    }
)


class PayloadClass:
    """Reads and creates payloads; builds their class when it is first used."""

    def __init__(self) -> None:
        self._class: Any = None

    def new(self) -> Any:
        """Return an empty payload."""
        if self._class is None:
            self._class = _build_class()
        return self._class()

    def parse(self, content: bytes) -> Any:
        """Return the payload that bytes encode. Raises ValueError."""
        payload = self.new()
        try:
            payload.ParseFromString(content)
        except message.DecodeError as error:
            raise ValueError(f"not a Sparkplug B payload: {error}") from None
        return payload


def _build_class() -> Any:
    """Return the class of payloads, from a pool of its own."""
    file = descriptor_pb2.FileDescriptorProto(
        name="maas/sparkplug.proto", package=PACKAGE, syntax="proto2"
    )
    for name, fields in _MESSAGES.items():
        described = file.message_type.add(name=name)
        for field_name, (number, type_name) in fields.items():
            _add_field(described, field_name, number, type_name)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{PACKAGE}.Payload"))


def _add_field(described: Any, name: str, number: int, type_name: str) -> None:
    """Add a field to a message's description."""
    kinds = descriptor_pb2.FieldDescriptorProto
    label = kinds.LABEL_REPEATED if type_name.endswith("*") else kinds.LABEL_OPTIONAL
    plain = type_name.rstrip("*")
    field = described.field.add(name=name, number=number, label=label)
    if plain[0].isupper():
        field.type, field.type_name = kinds.TYPE_MESSAGE, f".{PACKAGE}.{plain}"
    else:
        field.type = kinds.Type.Value(f"TYPE_{plain.upper()}")
