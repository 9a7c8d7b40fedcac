"""Messages between the gateway and the process that holds one graph, as MessagePack.

Each message is preceded by its length in bytes, 4 bytes big-endian.
"""

import struct
from enum import StrEnum

import msgspec

LENGTH = struct.Struct(">I")


class ResultFormat(StrEnum):
    """Formats of results. The first four are of SELECT and ASK, the others of triples."""

    JSON = "application/sparql-results+json"
    XML = "application/sparql-results+xml"
    CSV = "text/csv"
    TSV = "text/tab-separated-values"
    TURTLE = "text/turtle"
    N_TRIPLES = "application/n-triples"


class LoadRequest(msgspec.Struct, tag="load"):
    """Replace the graph by these triples. `max_memory_bytes` bounds what queries add to it."""

    triples: bytes
    max_memory_bytes: int


class AddRequest(msgspec.Struct, tag="add"):
    """Add these triples to the graph, and bound again what queries add to its memory."""

    triples: bytes
    max_memory_bytes: int


class QueryRequest(msgspec.Struct, tag="query"):
    """Execute a query; `formats` are the result formats that the caller accepts, best first."""

    text: str
    formats: list[ResultFormat]
    max_result_bytes: int


class WorkerReply(msgspec.Struct):
    """The result, or the message and code of an error."""

    content: bytes = b""
    media_type: str = ""
    triples: int = 0
    error: str | None = None
    code: str | None = None


def frame(message: msgspec.Struct) -> bytes:
    """Return a message with its length in front."""
    content = msgspec.msgpack.encode(message)
    return LENGTH.pack(len(content)) + content
