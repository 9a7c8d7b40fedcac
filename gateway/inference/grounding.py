"""Verify answers from retrieved passages, and correct those with statements of no passage.

    check -> generate once more, at the operator's expense -> quote the nearest passage

The second generation is a linked call of the settlement `waived`. Whatever goes wrong with it, the
client gets a quotation. It runs in the slot of the first, which has ended.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import TracebackType

from billing.tables import Settlement
from gateway.asgi.exchange import ClientDisconnected, ClientExchange
from gateway.call.grounding import Citations, Corrections, GroundedStream, VerifiedAnswer
from gateway.call.reservation import Reservation
from gateway.call.values import AdmittedCall, CallResult
from gateway.inference.call_metrics import CallMetrics
from gateway.inference.dispatch import Dispatcher
from gateway.inference.endpoints.chat import CHAT
from gateway.inference.internal.calls import new_internal_call
from gateway.inference.internal.linked_calls import LinkedCalls
from gateway.inference.internal.recorded_calls import run_recorded
from gateway.inference.relay import CLIENT_CLOSED, KEEP_ALIVE, KEEP_ALIVE_S
from gateway.inference.usage.writer import UsageWriter
from gateway.wire.file_search.second_answer import read_texts, second_request
from infra import ids
from infra.clock import Clock
from infra.telemetry.tracing import NOOP_TRACE, Trace
from models.grounding.draft import GrowingDraft

# The longest second answer per choice, in tokens: the operator pays for it.
_MAX_SECOND_TOKENS = 512
_ANSWERED = (Settlement.COMPLETE, Settlement.UNKNOWN)


@dataclass(frozen=True, slots=True)
class AnsweredCall:
    """A call that a model has answered, and how it was sent."""

    admitted: AdmittedCall
    client: ClientExchange
    linked: LinkedCalls
    only_upstreams: bool
    trace: Trace = NOOP_TRACE


class AnswerVerifier:
    """Verifies the answers of one gateway process that come from passages."""

    def __init__(
        self,
        dispatcher: Dispatcher,
        writer: UsageWriter,
        call_metrics: CallMetrics,
        clock: Clock,
        write_timeout_s: float,
    ) -> None:
        self._dispatcher = dispatcher
        self._writer = writer
        self._call_metrics = call_metrics
        self._clock = clock
        self._write_timeout_s = write_timeout_s

    async def verify(self, answered: AnsweredCall, result: CallResult) -> CallResult:
        """Return the result with a verified or corrected answer; sends the rest of a stream.

        If the client leaves meanwhile, the result is a client abort with the usage of the answer.
        Raises an AppError only if nothing was sent to the client.
        """
        citations = answered.admitted.request.citations
        if citations is None or result.settlement not in _ANSWERED:
            return result
        try:
            if result.grounded_stream is None:
                return await self._verify_body(answered, citations, result)
            return await self._verify_stream(answered, citations, result, result.grounded_stream)
        except ClientDisconnected:
            return _as_aborted(result)

    async def _verify_body(
        self, answered: AnsweredCall, citations: Citations, result: CallResult
    ) -> CallResult:
        """Return the result of a call that is not streamed, with its verified answer."""
        # In a thread: checking a long answer would delay other calls.
        checked = await asyncio.to_thread(citations.check_body, result.tail)
        corrections = await self._correct(answered, citations, checked.rejected())
        self._count(answered, checked, corrections)
        return replace(result, tail=checked.encode(corrections))

    async def _verify_stream(
        self,
        answered: AnsweredCall,
        citations: Citations,
        result: CallResult,
        stream: GroundedStream,
    ) -> CallResult:
        """Send the corrections of rejected drafts and return the result of the stream."""
        corrections: Corrections = {}
        if rejected := stream.rejected():
            async with KeepAlive(answered.client, result.stream_started):
                corrections = await self._correct(answered, citations, rejected)
            result = await self._send(answered.client, result, stream.last_events(corrections))
        self._count(answered, stream, corrections)
        return result

    async def _send(self, client: ClientExchange, result: CallResult, events: bytes) -> CallResult:
        """Send the rest of a stream, which starts the response if nothing was sent before."""
        async with client.deadline(self._write_timeout_s):
            if not result.stream_started:
                await client.start(200, result.headers)
            await client.write(events)
        first_chunk = result.first_chunk_monotonic or self._clock.monotonic()
        return replace(result, stream_started=True, first_chunk_monotonic=first_chunk)

    async def _correct(
        self,
        answered: AnsweredCall,
        citations: Citations,
        rejected: Mapping[int, GrowingDraft],
    ) -> Corrections:
        """Return the answer in place of each rejected draft.

        A draft of which sentences were sent is not generated again: the new text would not follow
        from them.
        """
        unsent = {index: draft for index, draft in rejected.items() if not draft.released}
        texts: list[str] = []
        if unsent and citations.has_passages:
            texts = await self._generate_again(answered, citations, list(unsent.values()))
        second = dict(zip(unsent, texts, strict=False))
        return {
            index: citations.correct(draft, second.get(index)) for index, draft in rejected.items()
        }

    async def _generate_again(
        self, answered: AnsweredCall, citations: Citations, drafts: list[GrowingDraft]
    ) -> list[str]:
        """Return a second text for each draft, fewer if the model fails. Raises ClientDisconnected.

        The usage row is added to the linked calls, however the call ends.
        """
        call = new_internal_call(self._clock, ids.new_id(), CHAT)
        admitted = _waived_call(answered, citations, drafts)

        async def work() -> CallResult:
            try:
                return await self._dispatcher.send(
                    call, admitted, answered.client, answered.trace, answered.only_upstreams
                )
            except ClientDisconnected:
                return CLIENT_CLOSED

        linked = answered.linked
        result, _ = await run_recorded(
            self._writer, linked, call, admitted, work, linked.add_waived
        )
        # An upstream of the catalog answers to the end also after a disconnect.
        if result.settlement is Settlement.CLIENT_ABORT:
            raise ClientDisconnected
        return read_texts(result.tail) if result.settlement is Settlement.COMPLETE else []

    def _count(
        self, answered: AnsweredCall, answer: VerifiedAnswer, corrections: Corrections
    ) -> None:
        """Count how each choice relates to the passages."""
        model = answered.admitted.request.model.id
        for grounding in answer.groundings(corrections):
            self._call_metrics.record_grounding(model, grounding.value)


class KeepAlive:
    """Sends comments while a started stream waits for a correction; a context manager."""

    def __init__(
        self, client: ClientExchange, is_started: bool, interval_s: float = KEEP_ALIVE_S
    ) -> None:
        self._client = client
        self._is_started = is_started
        self._interval_s = interval_s
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> None:
        if self._is_started:
            self._task = asyncio.create_task(self._send_comments(), name="keep-alive")

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
            self._client.is_writing = False  # the cancelled task may have waited for the client

    async def _send_comments(self) -> None:
        """Send a comment whenever the client has received nothing for some seconds."""
        while not self._client.disconnected:
            await asyncio.sleep(self._interval_s)
            await self._client.write(KEEP_ALIVE)


def _waived_call(
    answered: AnsweredCall, citations: Citations, drafts: list[GrowingDraft]
) -> AdmittedCall:
    """Return the admitted call of a second answer, which reserves none of the account's quotas."""
    admitted = answered.admitted
    bounds = admitted.request.output_bounds
    limits = (bounds.max_tokens_per_choice, admitted.reduced_max_tokens, _MAX_SECOND_TOKENS)
    tokens = min(limit for limit in limits if limit is not None)
    claims = tuple(dict.fromkeys(claim for draft in drafts for claim in draft.missing))
    request = second_request(admitted.request, citations.question, claims, tokens, len(drafts))
    reservation = Reservation([], admitted.reservation.process_id)
    return AdmittedCall(admitted.principal, request, admitted.model_prices, reservation)


def _as_aborted(result: CallResult) -> CallResult:
    """Return the result of an answer whose client left before the correction was sent.

    Its usage is known, so it is billed, as all that was generated until a client left.
    """
    return replace(
        result,
        settlement=Settlement.CLIENT_ABORT,
        status=CLIENT_CLOSED.status,
        error_code=CLIENT_CLOSED.error_code,
        tail=b"",
        usage_event=None,
    )
