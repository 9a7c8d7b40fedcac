"""Writes responses to uvicorn's transport past its ASGI `send`, in the states that are usual.

`send` takes two messages and two coroutines for a response, and matches each header's name and
value with a regular expression. Here the characters of all headers are checked at once, as
strictly, and head and body are written together. Whatever is unusual is left to `send`.
"""

from collections.abc import Sequence
from weakref import ref

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

_CONTROL = bytes([*range(9), *range(10, 32), 127])
_LOWER_TOKEN = b"!#$%&'*+.^_`|~-" + bytes([*b"0123456789", *range(97, 123)])
# Headers that change how uvicorn sends the body or ends the connection.
_FRAMING = frozenset({"content-length", "transfer-encoding", "connection"})


class ResponseWriter:
    """The writer of one response. Its methods return False, without writing, if `send` must do it.

    The reference to uvicorn's cycle is weak: the cycle has the scope, which has the writer.
    """

    __slots__ = ("_cycle",)

    def __init__(self, cycle: RequestResponseCycle) -> None:
        self._cycle = ref(cycle)

    def write_chunk(self, data: bytes) -> bool:
        """Write a part of a chunked body."""
        cycle = self._writable_cycle()
        if (
            cycle is None
            or cycle.response_complete
            or not (data and cycle.chunked_encoding and cycle.response_started)
        ):
            return False
        cycle.transport.write(b"%x\r\n%b\r\n" % (len(data), data))
        return True

    def write_response(self, status: int, headers: Sequence[tuple[str, str]], body: bytes) -> bool:
        """Write a whole response: its status, its headers but `content-length`, and its body."""
        cycle = self._writable_cycle()
        if cycle is None or cycle.response_started or cycle.access_log:
            return False
        head = _encode_headers(headers)
        if head is None:
            return False
        cycle.response_started = cycle.response_complete = True
        cycle.waiting_for_100_continue = False
        length = b"content-length: %d\r\n" % len(body)
        default = [b"%b: %b\r\n" % header for header in cycle.default_headers]
        end = b"\r\n" if cycle.keep_alive else b"connection: close\r\n\r\n"
        cycle.transport.write(b"".join((STATUS_LINE[status], *default, head, length, end, body)))
        cycle.message_event.set()
        if not cycle.keep_alive:
            cycle.transport.close()
        cycle.on_response()
        return True

    def _writable_cycle(self) -> RequestResponseCycle | None:
        """Return the cycle if its client reads and its response has a body."""
        cycle = self._cycle()
        if cycle is None or cycle.flow.write_paused or cycle.disconnected:
            return None
        return None if cycle.scope["method"] == "HEAD" else cycle


def _encode_headers(headers: Sequence[tuple[str, str]]) -> bytes | None:
    """Encode lower-case headers; None if one is invalid or changes how the body is sent."""
    names = [name for name, _ in headers]
    if not _FRAMING.isdisjoint(names) or "".join(names).encode().translate(None, _LOWER_TOKEN):
        return None
    head = "".join([f"{name}: {value}\r\n" for name, value in headers]).encode("latin-1")
    controls = len(head) - len(head.translate(None, _CONTROL))
    return head if controls == 2 * len(headers) == 2 * head.count(b"\r\n") else None
