"""The artefact of a model of a customer's own columns: one versioned document in MessagePack."""

from typing import Protocol, TypeVar

import msgspec


class VariantBroken(ValueError):
    """Bytes that are not a variant of this version."""


class VersionedDocument(Protocol):
    """The content of an artefact, with the version of its format."""

    @property
    def version(self) -> int:
        """The version of the format."""
        ...


_Document = TypeVar("_Document", bound=VersionedDocument)


def decode_document(artefact: bytes, kind: type[_Document], version: int) -> _Document:
    """Return the document of an artefact. Raises VariantBroken."""
    try:
        document = msgspec.msgpack.decode(artefact, type=kind)
    except (msgspec.DecodeError, msgspec.ValidationError, UnicodeDecodeError) as error:
        raise VariantBroken(f"The artefact is not a fine-tuned model: {error}.") from error
    if document.version != version:
        raise VariantBroken(f"The variant is of version {document.version}, not {version}.")
    return document
