"""The server's side of a connection: uvicorn's protocol, with the bounds that it lacks.

Owns how much and how slowly a client may send, that trailer fields never become headers, that what
is no request is answered in our shape and ends its connection, and that no such answer can be taken
for that of another request.
"""

import asyncio
import re
from dataclasses import dataclass
from enum import Enum, auto
from http import HTTPStatus
from ipaddress import IPv6Address
from typing import ClassVar

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from gateway.call.errors import BodyIncomplete, HeadTooLarge, RequestMalformed, envelope
from infra.errors import AppError

# A name (underscores are usual within clusters), or an IPv6 address in brackets; and a port.
_HOST = re.compile(rb"([A-Za-z0-9._-]{0,253}|\[([0-9A-Fa-f:.]{2,45})\])(?::([0-9]{0,5}))?")
_MOST_PORT = 65535


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a client may take: of memory, and of time in which it sends next to nothing."""

    head_bytes: int = 64 << 10
    headers: int = 100
    # Trailer fields, or the extensions of one chunk: bytes of a body's framing without any of it.
    trailer_bytes: int = 512
    head_s: float = 20.0
    # A body may last that long, and a second more for each so many bytes of it.
    body_s: float = 60.0
    bytes_a_second: int = 1024
    # What still comes of a body that was answered early, so that the answer can be read.
    after_s: float = 5.0
    look_s: float = 5.0


class _Reading(Enum):
    """What is being read; between two requests nothing, which uvicorn limits by itself."""

    HEAD = auto()
    BODY = auto()
    NOTHING = auto()


class Listening(HttpToolsProtocol):
    """One connection of a client's."""

    bounds: ClassVar[Bounds] = Bounds()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._deaf = False
        self._refusal: AppError | None = None
        self._begin(_Reading.HEAD)
        self._watch = self.loop.call_later(self.bounds.look_s, self._look)

    def connection_lost(self, exc: Exception | None) -> None:
        self._watch.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._deaf:
            return
        if self._reading is _Reading.NOTHING:
            self._begin(_Reading.HEAD)
        self._size += len(data)
        self._framing += len(data)
        super().data_received(data)
        # Of a header or trailer field that has not ended yet the parser has told nothing.
        if self._reading is _Reading.HEAD and self._size > self.bounds.head_bytes:
            self._refuse(_too_large())
        if self._reading is _Reading.BODY and self._framing > self.bounds.trailer_bytes:
            self._refuse(_trailers_too_large())

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._reading = _Reading.HEAD
        self._head = self._hosts = 0

    def on_url(self, url: bytes) -> None:
        self._head += len(url)
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._reading is _Reading.BODY:
            self._discard_trailer(name, value)
            return
        self._head += len(name) + len(value)
        super().on_header(name, value)
        if self.headers[-1][0] == b"host":
            self._hosts += 1
            if not is_host(value):
                self._refusal = RequestMalformed("The Host header is not `host` or `host:port`.")
                raise self._refusal  # as in `on_headers_complete`

    def on_headers_complete(self) -> None:
        if self._head > self.bounds.head_bytes or len(self.headers) > self.bounds.headers:
            self._refusal = _too_large()
        elif not self._is_ours():
            self._refusal = RequestMalformed("A request is of HTTP/1.1 and names one host.")
        elif b"%00" in self.url:
            self._refusal = RequestMalformed("The address contains a NUL character (%00).")
        if self._refusal is not None:
            raise self._refusal  # uvicorn has it refused as it does what makes no sense
        super().on_headers_complete()
        self._begin(_Reading.BODY)

    def on_body(self, body: bytes) -> None:
        self._framing = 0  # at most one read of the socket is not counted
        super().on_body(body)

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._begin(_Reading.NOTHING)

    def on_response_complete(self) -> None:
        if self._reading is _Reading.BODY and self.cycle.response_complete:
            self._since = self.loop.time()
        super().on_response_complete()

    def send_400_response(self, msg: str) -> None:
        """What uvicorn calls for what is no request."""
        self._refuse(self._refusal or RequestMalformed("This is no valid HTTP/1.1 request."))

    def _unsupported_upgrade_warning(self) -> None:
        """No other protocol is spoken here: it is a request like any, and the last."""
        self._deaf = True
        self.cycle.keep_alive = False
        if self.cycle.response_complete:
            self.transport.close()

    def _should_upgrade(self) -> bool:
        return False

    def _is_ours(self) -> bool:
        version = self.parser.get_http_version()
        return self._hosts == 1 if version == "1.1" else version == "1.0" and self._hosts < 2

    def _discard_trailer(self, name: bytes, value: bytes) -> None:
        """The parser reports trailer fields as it does headers. The application has the list of
        headers already, and reads it later, so they must not be added to it (RFC 9110, 6.5.1)."""
        self._trailers += len(name) + len(b": ") + len(value) + len(b"\r\n")
        if self._trailers > self.bounds.trailer_bytes:
            self._refusal = _trailers_too_large()
            raise self._refusal  # as in `on_headers_complete`

    def _begin(self, what: _Reading) -> None:
        self._reading, self._since = what, self.loop.time()
        self._size = self._framing = self._trailers = 0

    def _look(self) -> None:
        """Whether the client takes too long, told late by `look_s` at most."""
        if self.transport.is_closing():
            return
        self._watch = self.loop.call_later(self.bounds.look_s, self._look)
        if self.flow.read_paused:
            self._since += self.bounds.look_s  # it waits for us
        elif self._is_late():
            if self._size or self._reading is _Reading.BODY:
                self._refuse(BodyIncomplete("The request did not arrive in time."))
            else:
                self.transport.close()

    def _is_late(self) -> bool:
        bounds, waited = self.bounds, self.loop.time() - self._since
        if self._reading is _Reading.HEAD:
            return waited > bounds.head_s
        if self._reading is _Reading.NOTHING:
            return False
        if self.cycle.response_complete:
            return waited > bounds.after_s
        return waited > bounds.body_s + self._size / bounds.bytes_a_second

    def _refuse(self, error: AppError) -> None:
        """Answer with that and end the connection. What came whole before is answered first, and
        then nothing more: a refusal written now would be read as its answer."""
        self._deaf = True
        cycle, in_body = self.cycle, self._reading is _Reading.BODY
        under_way = cycle is not None and not cycle.response_complete
        if under_way and not in_body:
            cycle.keep_alive = False
            return
        if under_way:
            cycle.disconnected = True
            cycle.message_event.set()
        if not in_body or (under_way and not (self.pipeline or cycle.response_started)):
            self.transport.write(_answer(error))
        self.transport.close()


def is_host(value: bytes) -> bool:
    """Whether it is what a Host header may be (RFC 9110, 7.2): a name or an address, perhaps with a
    port. Frameworks build URLs from it, and fail on anything else."""
    found = _HOST.fullmatch(value)
    if found is None:
        return False
    _, address, port = found.groups()
    if port and int(port) > _MOST_PORT:
        return False
    return address is None or _is_ipv6(address)


def _is_ipv6(text: bytes) -> bool:
    try:
        IPv6Address(text.decode("ascii"))
    except ValueError:
        return False
    return True


def _too_large() -> HeadTooLarge:
    return HeadTooLarge("The request's line and headers are too many or too large.")


def _trailers_too_large() -> HeadTooLarge:
    return HeadTooLarge("The trailer fields or chunk extensions of the body are too large.")


def _answer(error: AppError) -> bytes:
    body, status = envelope(error), HTTPStatus(error.status)
    return b"HTTP/1.1 %d %b\r\n%bcontent-length: %d\r\nconnection: close\r\n\r\n%b" % (
        status,
        status.phrase.encode(),
        b"content-type: application/json\r\n",
        len(body),
        body,
    )
