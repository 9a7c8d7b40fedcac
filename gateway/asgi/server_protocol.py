"""uvicorn's HTTP protocol with limits that it lacks: size and speed of requests, trailers, hosts.

Trailer fields never become headers. A malformed request is answered with the API's error object and
ends its connection, and that answer can never be taken for the answer to another request.
"""

import asyncio
import re
from dataclasses import dataclass
from enum import Enum, auto
from http import HTTPStatus
from ipaddress import IPv6Address
from typing import Any, ClassVar

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from gateway.asgi.exchange import RESPONSE_WRITER
from gateway.asgi.response_writer import ResponseWriter
from gateway.call.errors import BodyIncomplete, HeadTooLarge, RequestMalformed, render_error
from infra.errors import AppError

# A host name (underscores are usual within clusters) or an IPv6 address in brackets; then a port.
_HOST = re.compile(rb"([A-Za-z0-9._-]{0,253}|\[([0-9A-Fa-f:.]{2,45})\])(?::([0-9]{0,5}))?")
_MAX_PORT = 65535


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """Limits of one client connection: bytes of memory, and seconds of waiting for slow input."""

    max_head_bytes: int = 64 << 10
    max_headers: int = 100
    # Trailer fields or the extensions of one chunk: framing bytes that carry no body.
    max_trailer_bytes: int = 512
    head_timeout_s: float = 20.0
    # A body may take `body_timeout_s`, and one second more for every `min_bytes_per_s` bytes of it.
    body_timeout_s: float = 60.0
    min_bytes_per_s: int = 1024
    # The rest of a body that was answered early is read for so long, so that the client can read
    # the response.
    discard_timeout_s: float = 5.0
    check_interval_s: float = 5.0


class _ReadState(Enum):
    """The part of a request that is being read. IDLE is the time from its end to the next request,
    of which only the time after the response is limited."""

    HEAD = auto()
    BODY = auto()
    IDLE = auto()


class BoundedHttpProtocol(HttpToolsProtocol):
    """One client connection, with limits on the size and the speed of its requests."""

    limits: ClassVar[ConnectionLimits] = ConnectionLimits()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the timer that checks the client's speed."""
        super().connection_made(transport)
        self._ignore_input = False
        self._rejection: AppError | None = None
        self._enter_state(_ReadState.HEAD)
        self._timer = self.loop.call_later(self.limits.check_interval_s, self._check_timeouts)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the timer that checks the client's speed."""
        self._timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse received bytes; reject the request if head or trailers exceed their limits."""
        if self._ignore_input:
            return
        if self._state is _ReadState.IDLE:
            self._enter_state(_ReadState.HEAD)
        self._bytes_read += len(data)
        self._framing_bytes += len(data)
        super().data_received(data)
        # The parser does not report a header or trailer field before it has ended, so the raw
        # bytes are counted too.
        if self._state is _ReadState.HEAD and self._bytes_read > self.limits.max_head_bytes:
            self._reject(_head_too_large_error())
        if self._state is _ReadState.BODY and self._framing_bytes > self.limits.max_trailer_bytes:
            self._reject(_trailers_too_large_error())

    def on_message_begin(self) -> None:
        """Reset the counters of the request head."""
        super().on_message_begin()
        self._state = _ReadState.HEAD
        self._head_size = self._host_headers = 0

    def on_url(self, url: bytes) -> None:
        """Add the request target to the size of the head."""
        self._head_size += len(url)
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Count a header; drop a trailer. Raises RequestMalformed for an invalid Host."""
        if self._state is _ReadState.BODY:
            self._discard_trailer(name, value)
            return
        self._head_size += len(name) + len(value)
        name = name.lower()
        self.headers.append((name, value))
        if name == b"expect":
            self.expect_100_continue = value.lower() == b"100-continue"
        elif name == b"host":
            self._host_headers += 1
            if not is_valid_host(value):
                self._rejection = RequestMalformed("The Host header must be `host` or `host:port`.")
                raise self._rejection  # as in `on_headers_complete`

    def on_headers_complete(self) -> None:
        """Raise HeadTooLarge or RequestMalformed for a head that uvicorn must not accept."""
        if (
            self._head_size > self.limits.max_head_bytes
            or len(self.headers) > self.limits.max_headers
        ):
            self._rejection = _head_too_large_error()
        elif not self._is_valid_request_line():
            self._rejection = RequestMalformed("Send the request as HTTP/1.1 with one Host header.")
        elif b"%00" in self.url:
            self._rejection = RequestMalformed("The URL contains a NUL character (%00).")
        if self._rejection is not None:
            raise self._rejection  # uvicorn handles it as a parser error: send_400_response
        super().on_headers_complete()
        extensions: dict[Any, Any] = {RESPONSE_WRITER: ResponseWriter(self.cycle)}
        self.scope["extensions"] = extensions
        self._enter_state(_ReadState.BODY)

    def on_body(self, body: bytes) -> None:
        """Pass on a part of the body and reset the count of bytes that are not body."""
        self._framing_bytes = 0  # inexact by at most one socket read
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Enter the idle state, in which no timeout applies until the next request."""
        super().on_message_complete()
        self._enter_state(_ReadState.IDLE)

    def on_response_complete(self) -> None:
        """Restart the timeout of the rest of the body or of the idle connection; go on reading.

        Like uvicorn, but without a timer of the event loop for each response.
        """
        if self.cycle.response_complete:
            self._state_since = self.loop.time()
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())

    def send_400_response(self, msg: str) -> None:
        """Reject the request. uvicorn calls this on a parser error."""
        self._reject(self._rejection or RequestMalformed("The request is not valid HTTP/1.1."))

    def _unsupported_upgrade_warning(self) -> None:
        """Answer an Upgrade request as an ordinary HTTP/1.1 request, then close the connection."""
        self._ignore_input = True
        self.cycle.keep_alive = False
        if self.cycle.response_complete:
            self.transport.close()

    def _should_upgrade(self) -> bool:
        """Return False: the gateway does not switch protocols."""
        return False

    def _is_valid_request_line(self) -> bool:
        """Whether the request is HTTP/1.1 with one Host, or HTTP/1.0 with at most one."""
        version = self.parser.get_http_version()
        return (
            self._host_headers == 1
            if version == "1.1"
            else version == "1.0" and self._host_headers < 2
        )

    def _discard_trailer(self, name: bytes, value: bytes) -> None:
        """Count a trailer field against the limit and drop it.

        The parser reports trailer fields like headers. They must not be added to the list of
        headers, which the application has already and reads later (RFC 9110, 6.5.1).
        """
        self._trailer_bytes += len(name) + len(b": ") + len(value) + len(b"\r\n")
        if self._trailer_bytes > self.limits.max_trailer_bytes:
            self._rejection = _trailers_too_large_error()
            raise self._rejection  # as in `on_headers_complete`

    def _enter_state(self, state: _ReadState) -> None:
        """Set the read state; restart its timeout and byte counts."""
        self._state, self._state_since = state, self.loop.time()
        self._bytes_read = self._framing_bytes = self._trailer_bytes = 0

    def _check_timeouts(self) -> None:
        """Reject or close a connection that is too slow, at most `check_interval_s` too late."""
        if self.transport.is_closing():
            return
        self._timer = self.loop.call_later(self.limits.check_interval_s, self._check_timeouts)
        if self.flow.read_paused:
            self._state_since += self.limits.check_interval_s  # the gateway is slow, not the client
        elif self._is_late():
            if self._bytes_read or self._state is _ReadState.BODY:
                self._reject(BodyIncomplete("The request did not arrive in time."))
            else:
                self.transport.close()

    def _is_late(self) -> bool:
        """Whether the client has exceeded the time for the head, the body or its discarding."""
        limits, elapsed = self.limits, self.loop.time() - self._state_since
        if self._state is _ReadState.HEAD:
            return elapsed > limits.head_timeout_s
        if self._state is _ReadState.IDLE:
            return self.cycle.response_complete and elapsed > self.timeout_keep_alive
        if self.cycle.response_complete:
            return elapsed > limits.discard_timeout_s
        return elapsed > limits.body_timeout_s + self._bytes_read / limits.min_bytes_per_s

    def _reject(self, error: AppError) -> None:
        """Answer with an error and close the connection.

        If an earlier pipelined request is still being answered, finish it and close without the
        error: the client would read the error as the answer to the earlier request.
        """
        self._ignore_input = True
        cycle, in_body = self.cycle, self._state is _ReadState.BODY
        under_way = cycle is not None and not cycle.response_complete
        if under_way and not in_body:
            cycle.keep_alive = False
            return
        if under_way:
            cycle.disconnected = True
            cycle.message_event.set()
        if not in_body or (under_way and not (self.pipeline or cycle.response_started)):
            self.transport.write(_encode_error_response(error))
        self.transport.close()


def is_valid_host(value: bytes) -> bool:
    """Whether a Host header is a name or an IP address, optionally with a port (RFC 9110, 7.2).

    Frameworks build URLs from the header and fail on anything else.
    """
    match = _HOST.fullmatch(value)
    if match is None:
        return False
    _, address, port = match.groups()
    if port and int(port) > _MAX_PORT:
        return False
    return address is None or _is_ipv6(address)


def _is_ipv6(text: bytes) -> bool:
    """Whether the text is an IPv6 address, without brackets."""
    try:
        IPv6Address(text.decode("ascii"))
    except ValueError:
        return False
    return True


def _head_too_large_error() -> HeadTooLarge:
    """Return the error for a request line and headers over a size or number limit."""
    return HeadTooLarge(
        "The request line or the headers are too large, or there are too many headers."
    )


def _trailers_too_large_error() -> HeadTooLarge:
    """Return the error for trailers or chunk extensions over the size limit."""
    return HeadTooLarge("The trailer fields or chunk extensions of the request body are too large.")


def _encode_error_response(error: AppError) -> bytes:
    """Encode an error as a complete HTTP/1.1 response that closes the connection."""
    body, status = render_error(error), HTTPStatus(error.status)
    return b"HTTP/1.1 %d %b\r\n%bcontent-length: %d\r\nconnection: close\r\n\r\n%b" % (
        status,
        status.phrase.encode(),
        b"content-type: application/json\r\n",
        len(body),
        body,
    )
