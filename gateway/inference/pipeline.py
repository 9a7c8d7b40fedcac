"""The sentence: request -> authenticate -> parse -> admit -> route -> send -> meter.

Owns the order of the stages, and that every call, however it ends, is priced, written down and only
then answered to its last byte.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import structlog
from structlog.contextvars import bind_contextvars

from billing.metering.idempotency_keys import Claim
from billing.metering.usage import REQUEST_PREFIX, UsageRecord
from billing.metering.usage_log import Answer
from gateway.access.authenticator import Authenticator
from gateway.asgi.exchange import Client, ClientGone, Copy
from gateway.call.errors import (
    InternalError,
    MeteringUnavailable,
    ModelNotServed,
    UpstreamUnreachable,
    event,
)
from gateway.call.failure import refused
from gateway.call.values import Ask, Call, Completion, Principal, Ticket
from gateway.inference.admission import Admission, with_ask
from gateway.inference.call_metrics import Figures, as_fields, traced
from gateway.inference.dispatch import Dispatcher
from gateway.inference.error_report import report_of, vocabulary
from gateway.inference.idempotency import MOST_KEPT, Replayer, answer_of
from gateway.inference.internal_calls import InnerCalls
from gateway.inference.linked_calls import LinkedCalls
from gateway.inference.model_selection import as_headers
from gateway.inference.parsing import Parser
from gateway.inference.pending_writes import Inner, Opened
from gateway.inference.relay import LEFT
from gateway.inference.retrieval_port import Grounder
from gateway.inference.usage_record import intent_of, price, unbilled
from gateway.inference.usage_writer import UsageWriter
from gateway.upstream.concurrency import Slot
from gateway.wire.sse import with_fields
from infra import ids
from infra.clock import Clock
from infra.errors import AppError
from infra.settings import Settings
from infra.telemetry.tracing import UNTRACED, Trace, Tracer

# How long an answer is that was made shorter than asked for, in tokens.
_SHORTENED = "x-maas-max-tokens"


@dataclass(slots=True)
class _Seen:
    """How far a call came: what its usage row can say, and what is to be closed with it."""

    principal: Principal | None = None
    ask: Ask | None = None
    body: bytes | None = None
    claim: Claim | None = None
    ticket: Ticket | None = None
    slot: Slot | None = None
    opened: Opened | None = None
    linked: LinkedCalls | None = None
    trace: Trace = UNTRACED


@dataclass(frozen=True, slots=True)
class Stages:
    """The stages of one gateway process."""

    authenticator: Authenticator
    parser: Parser
    replayer: Replayer
    grounder: Grounder
    admission: Admission
    dispatcher: Dispatcher
    writer: UsageWriter
    figures: Figures
    inner: InnerCalls
    tracer: Tracer


class Pipeline:
    """Serves calls for one gateway process."""

    def __init__(self, stages: Stages, clock: Clock, settings: Settings) -> None:
        self._stages = stages
        self._clock = clock
        self._settings = settings
        self._log = structlog.get_logger()
        self._words = vocabulary(stages.parser.catalog)

    async def serve(self, call: Call, client: Client) -> None:
        """Answer one call. Every failure becomes an answer and a usage row."""
        request_id = ids.show(REQUEST_PREFIX, call.request_id)
        seen = _Seen(trace=self._stages.tracer.call(call.headers, call.started_at.timestamp()))
        client.shown["x-request-id"] = request_id
        # The server runs each request in a task of its own: nobody else's lines say this.
        bind_contextvars(request_id=request_id)
        if seen.trace.id is not None:
            bind_contextvars(trace_id=seen.trace.id)
        self._stages.figures.begin()
        try:
            await self._end(call, client, seen, await self._answer(call, client, seen))
        finally:
            self._stages.figures.end()

    async def _answer(self, call: Call, client: Client, seen: _Seen) -> Completion:
        try:
            return await self._sentence(call, client, seen)
        except ClientGone:
            return LEFT
        except AppError as error:
            return refused(call, error)
        except asyncio.CancelledError:
            # The process is being stopped: no time to wait, but the call leaves its row.
            stopped = refused(call, InternalError("The service was stopped."))
            answer = None if seen.claim is None else Answer(None)
            record = self._record(call, seen, stopped)
            inner = () if seen.linked is None else seen.linked.settle(record)
            self._offer(record, seen, answer, inner)
            raise
        except Exception:
            self._log.exception("a call failed")
            return refused(call, InternalError("Something went wrong on our side."))
        finally:
            if seen.slot is not None:
                seen.slot.leave()

    async def _sentence(self, call: Call, client: Client, seen: _Seen) -> Completion:
        stages, settings = self._stages, self._settings
        stages.writer.require_ready()
        with seen.trace.stage("authenticate"):
            known = await stages.authenticator.identify_call(call)
        seen.principal = known.principal
        principal = stages.authenticator.require_active(known, call.address)
        stages.authenticator.require_paying(known)
        body = seen.body = await client.body(settings.max_body_bytes, settings.body_timeout_s)
        seen.ask = stages.parser.parse(call, body, principal)
        claimed = await stages.replayer.claim(call, principal, body)
        if isinstance(claimed, Completion):
            client.shown.update(stages.figures.limits(principal))
            return claimed
        if claimed is not None:
            seen.claim, client.stays, client.copy = claimed, True, Copy(MOST_KEPT)
        if seen.ask.searching is not None:
            body, seen.ask = await self._search(call, body, client, principal, seen.ask, seen)
        while True:
            try:
                return await self._try(call, client, principal, seen.ask, seen)
            except (UpstreamUnreachable, ModelNotServed):
                instead = stages.parser.instead(call, body, principal, seen.ask)
                if instead is None:
                    raise
                self._undo(client, seen)
                seen.ask = instead

    async def _search(
        self,
        call: Call,
        body: bytes,
        client: Client,
        principal: Principal,
        asked: Ask,
        seen: _Seen,
    ) -> tuple[bytes, Ask]:
        """Decide on the search and the chat together, then search; gives the body with passages.

        Nothing is sent before both are held for and admitted.
        """
        stages, patience_s = self._stages, self._settings.first_byte_timeout_s
        seen.linked = linked = LinkedCalls(call, stages.admission, self._clock)
        with seen.trace.stage("admit"):
            async with client.attended(patience_s):
                await linked.hold(principal, await stages.grounder.searches(principal, asked))
            ticket = await self._admit(call, client, principal, asked, seen)
        seen.ticket = ticket
        seen.opened = stages.writer.intend(partial(intent_of, call, ticket))
        async with client.attended(patience_s):
            with seen.trace.stage("search"):
                body, grounded = await stages.grounder.ground(call, body, principal, asked, linked)
        if grounded.model.id == asked.model.id:
            seen.ticket = with_ask(ticket, grounded)
        else:
            self._undo(client, seen)  # the passages made another model the better choice
        return body, grounded

    async def _try(
        self, call: Call, client: Client, principal: Principal, ask: Ask, seen: _Seen
    ) -> Completion:
        """The call to one model: the one asked for, or one that stands in for it."""
        stages = self._stages
        if ask.choice is not None:
            client.shown.update(as_headers(ask.choice))
        if seen.ticket is None:
            with seen.trace.stage("admit"):
                seen.ticket = await self._admit(call, client, principal, ask, seen)
        ticket = seen.ticket
        with seen.trace.stage("wait"):
            seen.slot = await stages.dispatcher.slot(ticket, client)
        intent = partial(intent_of, call, ticket)
        if seen.opened is None:
            seen.opened = stages.writer.intend(intent)
        else:
            # That a call is open is written once; if it was already, by its first model's name.
            seen.opened.intent = intent
        client.guard = partial(stages.writer.ensure, seen.opened)
        return await stages.dispatcher.send(call, ticket, client, seen.trace)

    def _undo(self, client: Client, seen: _Seen) -> None:
        """What was taken for a model that cannot be reached: the next one takes for itself."""
        if seen.slot is not None:
            seen.slot.leave()
        if seen.ticket is not None:
            self._stages.admission.release(seen.ticket)
        seen.slot = seen.ticket = None
        client.shown.pop(_SHORTENED, None)

    async def _admit(
        self, call: Call, client: Client, principal: Principal, ask: Ask, seen: _Seen
    ) -> Ticket:
        admission, inner = self._stages.admission, 0 if seen.linked is None else seen.linked.held
        try:
            ticket = admission.admit_at_once(call, principal, ask)
            if ticket is None:
                async with client.attended(self._settings.first_byte_timeout_s):
                    ticket = await admission.admit(call, principal, ask, inner)
        finally:
            client.shown.update(self._stages.figures.limits(principal))
        if ticket.shortened_to is not None:
            client.shown[_SHORTENED] = str(ticket.shortened_to)
        return ticket

    async def _end(self, call: Call, client: Client, seen: _Seen, completion: Completion) -> None:
        record = self._record(call, seen, completion)
        inner = () if seen.linked is None else seen.linked.settle(record)
        inner_cost = sum(one.record.cost_nano for one in inner)
        shown = self._stages.figures.cost(seen.principal, record, inner_cost)
        tail = _tail(completion, shown)
        answer = answer_of(completion, client.copy, tail) if client.copy is not None else None
        try:
            # Whoever repeats a call that came to nothing must find its key free again.
            if _delivers(completion) or answer is not None:
                hold = None if seen.ticket is None else seen.ticket.hold
                with seen.trace.stage("meter"):
                    await self._stages.writer.append(record, hold, seen.opened, answer, inner)
            else:
                self._offer(record, seen, answer, inner)
        except MeteringUnavailable as error:
            if _delivers(completion):
                record, shown = unbilled(record, error.code), {}
                late = event(error) if completion.started else None
                completion = refused(call, error, completion.started, late)
                tail = completion.tail
        wrong = self._stages.figures.count(record, completion)
        client.guard = None
        client.shown.update(shown)
        try:
            await client.finish(completion, tail)
        finally:
            if seen.trace.id is not None:
                seen.trace.end(*traced(record, completion), wrong)

    def _offer(
        self,
        record: UsageRecord,
        seen: _Seen,
        answer: Answer | None,
        inner: tuple[Inner, ...] = (),
    ) -> None:
        hold = None if seen.ticket is None else seen.ticket.hold
        self._stages.writer.offer(record, hold, seen.opened, answer, inner)

    def _record(self, call: Call, seen: _Seen, completion: Completion) -> UsageRecord:
        error, report = completion.error, None
        # Of a caller that no key identifies nothing is kept.
        if error is not None and seen.principal is not None:
            report = report_of(error, self._words, call, seen.body)
        return price(call, seen.principal, seen.ask, seen.ticket, completion, self._clock, report)


def _delivers(completion: Completion) -> bool:
    """Whether something of worth went out or will, which must not be seen before its row is."""
    return completion.started or completion.status == 200


def _tail(completion: Completion, shown: Mapping[str, str]) -> bytes:
    """What is left to send; a stream that tells its usage also tells its cost."""
    if completion.usage_event is None:
        return completion.tail
    return with_fields(completion.usage_event, as_fields(shown)) + completion.tail
