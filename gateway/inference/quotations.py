"""Answer a call by a quotation, without a model server.

The answer takes the way of a model's answer: through the endpoint's reader or conversion, and with
citations. On the usage row the upstream is the handbook or the documents, which cost nothing, so
that engines' counts are not compared with it.
"""

from dataclasses import dataclass
from types import MappingProxyType

from billing.tables import Settlement
from gateway.asgi.exchange import ClientExchange
from gateway.call.grounding import Citations, Quotation
from gateway.call.stream_reader import StreamReaderFactory
from gateway.call.values import AdmittedCall, Call, CallResult, ParsedRequest, UpstreamTarget
from gateway.inference.call_metrics import CallMetrics
from gateway.inference.relay import EVENT_STREAM
from gateway.wire.file_search.quoted_answer import empty_completion, empty_stream
from gateway.wire.generation import JSON_HEADERS
from infra.clock import Clock
from models.catalog import Model
from models.grounding.answer import GroundedAnswer

_CHOICE = 0
_MAX_EVENT_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class _QuotedCall:
    """A call with its quotation and the tokens of input and output to charge."""

    call: Call
    request: ParsedRequest
    citations: Citations
    answer: GroundedAnswer
    tokens: tuple[int, int]
    upstream: UpstreamTarget


@dataclass(frozen=True, slots=True)
class QuotationSender:
    """Sends quotations; one per gateway process."""

    call_metrics: CallMetrics
    clock: Clock
    write_timeout_s: float

    async def send(self, call: Call, admitted: AdmittedCall, client: ClientExchange) -> CallResult:
        """Return the result of a call that a quotation answers.

        A stream is sent except for its end. Raises ClientDisconnected, and ValueError without a
        quotation.
        """
        request = admitted.request
        quotation, citations = request.quotation, request.citations
        if quotation is None or citations is None:
            raise ValueError("The request has no quotation.")
        self.call_metrics.record_grounding(request.model.id, quotation.answer.grounding.value)
        tokens = quotation.input_tokens, await _reserved_tokens(admitted, quotation)
        upstream = _free_upstream(quotation.upstream, request.model)
        quoted = _QuotedCall(call, request, citations, quotation.answer, tokens, upstream)
        if request.stream_reader is None:
            return _whole_answer(quoted)
        return await self._send_stream(quoted, request.stream_reader, client)

    async def _send_stream(
        self, quoted: _QuotedCall, stream_reader: StreamReaderFactory, client: ClientExchange
    ) -> CallResult:
        """Send the quotation as a stream and return the result with the end of the stream."""
        call, model = quoted.call, quoted.request.model
        reader, stream = stream_reader(_MAX_EVENT_BYTES, None), quoted.citations.open_stream(1)
        events = empty_stream(call.request_id, call.started_at, model.id, quoted.tokens)
        sent = stream.feed(reader.feed(events)) + stream.end()
        async with client.deadline(self.write_timeout_s):
            await client.start(200, EVENT_STREAM)
            first_chunk = self.clock.monotonic()
            await client.write(sent + stream.last_events({_CHOICE: quoted.answer}))
        return CallResult(
            Settlement.COMPLETE,
            200,
            reader.end_event,
            EVENT_STREAM,
            quantities=reader.quantities(),
            stream_started=True,
            first_chunk_monotonic=first_chunk,
            usage_event=reader.usage_event,
            upstream=quoted.upstream,
        )


def _whole_answer(quoted: _QuotedCall) -> CallResult:
    """Return the result of a call that is not streamed."""
    call, request = quoted.call, quoted.request
    body = empty_completion(call.request_id, call.started_at, request.model.id, quoted.tokens)
    converted = request.convert_response(body) if request.convert_response else body
    return CallResult(
        Settlement.COMPLETE,
        200,
        quoted.citations.check_body(converted).encode({_CHOICE: quoted.answer}),
        JSON_HEADERS,
        quantities=request.measure(body),
        upstream=quoted.upstream,
    )


async def _reserved_tokens(admitted: AdmittedCall, quotation: Quotation) -> int:
    """Return the output tokens to charge: those of the quotation, at most what quotas allow."""
    tokens, reservation = quotation.output_tokens, admitted.output_reservation
    if admitted.reduced_max_tokens is not None:
        tokens = min(tokens, admitted.reduced_max_tokens)
    if reservation is None:
        return tokens
    while reservation.reserved_tokens < tokens and await reservation.extend():
        pass
    return min(tokens, reservation.reserved_tokens)


def _free_upstream(name: str, model: Model) -> UpstreamTarget:
    """Return what answered: it costs nothing per unit of any meter."""
    cost = {
        currency: MappingProxyType(dict.fromkeys(meters, 0))
        for currency, meters in model.prices.items()
    }
    return UpstreamTarget(name, MappingProxyType(cost))
