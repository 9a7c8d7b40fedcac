"""The pipeline of a metered call: authenticate, parse, admit, queue, send, record usage, respond.

Every call, however it ends, gets a usage row. The last bytes of a successful answer are sent only
after the row is durable.
"""

import asyncio
from dataclasses import replace
from functools import partial

import structlog
from structlog.contextvars import bind_contextvars

from billing.metering.usage import REQUEST_ID_PREFIX
from gateway.access.key_permissions import KeyPermission, require_permission
from gateway.asgi.exchange import ClientDisconnected, ClientExchange, ResponseCopy
from gateway.call.errors import (
    InternalError,
    ModelServerNotFound,
    UpstreamBusy,
    UpstreamUnreachable,
)
from gateway.call.failure import failed_result
from gateway.call.values import AdmittedCall, Call, CallResult, ParsedRequest, Principal
from gateway.inference.admission import with_request
from gateway.inference.decisions.stage import DecisionCall
from gateway.inference.endpoints.table import find_endpoint
from gateway.inference.finishing import CallFinisher
from gateway.inference.grounding import AnsweredCall
from gateway.inference.guards import GuardedRequest
from gateway.inference.hosted_tools import HostedRequest
from gateway.inference.idempotency import MAX_STORED_ANSWER_BYTES
from gateway.inference.internal.linked_calls import LinkedCalls
from gateway.inference.model_selection import selection_headers
from gateway.inference.relay import CLIENT_CLOSED
from gateway.inference.stages import CallState, Stages
from gateway.inference.translation import TranslatedCall
from gateway.inference.usage.record import build_intent
from infra import ids
from infra.clock import Clock
from infra.errors import AppError
from infra.settings import Settings

# Response header: the tokens per choice to which a quota limit reduced the answer.
_MAX_TOKENS_HEADER = "x-maas-max-tokens"


class Pipeline:
    """Serves the metered calls of one gateway process."""

    def __init__(self, stages: Stages, clock: Clock, settings: Settings) -> None:
        self._stages = stages
        self._clock = clock
        self._settings = settings
        self._log = structlog.get_logger()
        self._finisher = CallFinisher(stages, clock)

    async def serve(self, call: Call, client: ClientExchange) -> None:
        """Serve one call. Every failure becomes an error response and a usage row."""
        request_id = ids.format_id(REQUEST_ID_PREFIX, call.request_id)
        state = CallState(
            trace=self._stages.tracer.start_call(call.headers, call.started_at.timestamp())
        )
        client.extra_headers["x-request-id"] = request_id
        # Each request runs in its own task, so these values apply to its log lines only.
        bind_contextvars(request_id=request_id)
        if state.trace.id is not None:
            bind_contextvars(trace_id=state.trace.id)
        self._stages.call_metrics.call_started()
        try:
            result = await self._compute_result(call, client, state)
            await self._finisher.finish(call, client, state, result)
        finally:
            self._stages.call_metrics.call_ended()

    async def _compute_result(
        self, call: Call, client: ClientExchange, state: CallState
    ) -> CallResult:
        """Run the stages and turn every error into a result."""
        try:
            result = await self._run_stages(call, client, state)
            # Replayed and queued answers have the client's form already.
            return result if state.translated is None else await state.translated.convert(result)
        except ClientDisconnected:
            return CLIENT_CLOSED
        except AppError as error:
            return failed_result(call, error)
        except asyncio.CancelledError:
            self._finisher.enqueue_stopped(call, state)  # the process is stopping
            raise
        except Exception:
            self._log.exception("a call failed")
            return failed_result(call, InternalError("Something went wrong on our side."))
        finally:
            if state.slot is not None:
                state.slot.release()

    async def _run_stages(self, call: Call, client: ClientExchange, state: CallState) -> CallResult:
        """Run a call from authentication to the upstream's response, with model fallbacks."""
        stages, settings = self._stages, self._settings
        stages.writer.require_ready()
        with state.trace.stage("authenticate"):
            key_record = await stages.authenticator.identify_call(call)
        state.principal = key_record.principal
        principal = stages.authenticator.require_active(key_record, call.client_address)
        require_permission(principal, KeyPermission.CALLS)
        stages.authenticator.require_not_suspended(key_record)
        body = state.body = await client.read_body(settings.max_body_bytes, settings.body_timeout_s)
        received = body
        body, translated = await self._translate(call, principal, body)
        if principal.guard is not None:
            state.linked = LinkedCalls(call, stages.admission, self._clock)  # questions to models
            guarded = GuardedRequest(call, principal, client, state.linked)
            body, translated = await stages.guards.open(guarded, body, translated)
        state.request = stages.parser.parse(call, body, principal)
        claim = await stages.replayer.claim_or_replay(call, principal, received)
        if isinstance(claim, CallResult):
            client.extra_headers.update(stages.call_metrics.rate_limit_headers(principal))
            return claim
        if claim is not None:
            state.claim = claim
            client.detached = True
            client.response_copy = ResponseCopy(MAX_STORED_ANSWER_BYTES)
        if translated is not None:
            deferred = await translated.defer(state.request, client)
            if deferred is not None:
                return deferred
            state.translated, client.translate = translated, translated.translate
        if state.request.retrieval is not None and state.request.hosted_tools is None:
            body, state.request = await self._retrieve(
                call, body, client, principal, state.request, state
            )
        if state.request.hosted_tools is not None:
            hosted = await self._use_tools(call, body, client, principal, state.request, state)
            if hosted is not None:
                return hosted
            if state.request.retrieval is not None:  # the plant graph does not answer it
                plain = replace(state.request, hosted_tools=None)
                body, state.request = await self._retrieve(
                    call, body, client, principal, plain, state
                )
        attempt = self._attempt if state.request.decision is None else self._decide
        while True:
            try:
                return await attempt(call, client, principal, state.request, state)
            except (UpstreamUnreachable, ModelServerNotFound) as error:
                request = stages.parser.require_fallback(
                    call, body, principal, state.request, error
                )
                self._release_attempt(client, state)
                state.request = request

    async def _translate(
        self, call: Call, principal: Principal, body: bytes
    ) -> tuple[bytes, TranslatedCall | None]:
        """Return the body in the form that the endpoint parses: a chat, or a row of inputs."""
        translated: TranslatedCall | None = None
        wire_format = find_endpoint(call.operation).wire_format
        if wire_format is not None:
            translated = await self._stages.translator.open(wire_format, call, principal, body)
        elif self._stages.asset_inputs.applies(call, body):
            translated = await self._stages.asset_inputs.open(call, principal, body)
        return (body if translated is None else translated.chat_body), translated

    async def _retrieve(
        self,
        call: Call,
        body: bytes,
        client: ClientExchange,
        principal: Principal,
        request: ParsedRequest,
        state: CallState,
    ) -> tuple[bytes, ParsedRequest]:
        """Retrieve passages for a chat and return its body and request with them.

        The search and the chat are admitted together before anything is sent.
        """
        stages, timeout_s = self._stages, self._settings.first_byte_timeout_s
        state.linked = linked = state.linked or LinkedCalls(call, stages.admission, self._clock)
        with state.trace.stage("admit"):
            async with client.deadline(timeout_s):
                searches = await stages.grounder.list_search_requests(principal, request)
                await linked.reserve(principal, searches)
            admitted = await self._admit(call, client, principal, request, state)
        state.admitted = admitted
        state.intent = stages.writer.open_intent(partial(build_intent, call, admitted))
        async with client.deadline(timeout_s):
            with state.trace.stage("search"):
                body, grounded = await stages.grounder.ground(
                    call, body, principal, request, linked
                )
        if grounded.model.id == request.model.id:
            state.admitted = with_request(admitted, grounded)
        else:
            self._release_attempt(client, state)  # the passages changed the selected model
        return body, grounded

    async def _use_tools(
        self,
        call: Call,
        body: bytes,
        client: ClientExchange,
        principal: Principal,
        request: ParsedRequest,
        state: CallState,
    ) -> CallResult | None:
        """Answer a chat by a language model and specialists; None if these have nothing to do."""
        stages, before = self._stages, state.linked
        state.linked = linked = before or LinkedCalls(call, stages.admission, self._clock)

        async def admit(parent: ParsedRequest) -> AdmittedCall:
            """Admit the client's call once its steps are held."""
            with state.trace.stage("admit"):
                admitted = await self._admit(call, client, principal, parent, state)
            state.admitted = admitted
            self._open_intent(call, admitted, client, state)
            return admitted

        hosted = HostedRequest(call, body, principal, request, client, linked, state.trace)
        answered = await stages.hosted_tools.answer(hosted, admit)
        if answered is None:
            state.linked = before
            return None
        state.shows_cost = True
        state.decisions = stages.decision_signer.sign(answered.context, answered.decisions)
        if answered.result is CLIENT_CLOSED:
            raise ClientDisconnected
        state.verdicts = answered.verdicts
        return answered.result

    async def _attempt(
        self,
        call: Call,
        client: ClientExchange,
        principal: Principal,
        request: ParsedRequest,
        state: CallState,
    ) -> CallResult:
        """Admit the call for one model, the requested one or a fallback, and send it."""
        stages = self._stages
        if request.selection is not None:
            client.extra_headers.update(selection_headers(request.selection))
        if state.admitted is None:
            with state.trace.stage("admit"):
                state.admitted = await self._admit(call, client, principal, request, state)
        admitted = state.admitted
        is_quoted = admitted.request.quotation is not None
        is_overflow = not is_quoted and stages.dispatcher.overflows(admitted)
        if not is_overflow and not is_quoted:
            await self._wait_for_slot(admitted, client, state)
        self._open_intent(call, admitted, client, state)
        if is_quoted:
            return await stages.quotations.send(call, admitted, client)
        if is_overflow:
            try:
                return await self._send(call, admitted, client, state, True)
            except (UpstreamUnreachable, UpstreamBusy, ModelServerNotFound):
                await self._wait_for_slot(admitted, client, state)
        return await self._send(call, admitted, client, state, False)

    async def _decide(
        self,
        call: Call,
        client: ClientExchange,
        principal: Principal,
        request: ParsedRequest,
        state: CallState,
    ) -> CallResult:
        """Answer the questions of a decision, which is admitted together with its linked calls."""
        stages = self._stages
        state.linked = linked = state.linked or LinkedCalls(call, stages.admission, self._clock)
        with state.trace.stage("admit"):
            plan = await stages.decisions.reserve(call, client, principal, request, linked)
            state.request = plan.request
            state.admitted = await self._admit(call, client, principal, plan.request, state)
        self._open_intent(call, state.admitted, client, state)
        asked = DecisionCall(call, state.admitted, client, linked, plan)
        return await stages.decisions.answer(asked)

    def _open_intent(
        self, call: Call, admitted: AdmittedCall, client: ClientExchange, state: CallState
    ) -> None:
        """Open the call's intent, which is durable before its first byte is sent."""
        writer, build_intent_row = self._stages.writer, partial(build_intent, call, admitted)
        if state.intent is None:
            state.intent = writer.open_intent(build_intent_row)
        # The intent is written once: if it was written already, it names the first model.
        state.intent.build_record = build_intent_row
        client.before_first_byte = before = partial(writer.flush_intent, state.intent)
        if state.translated is not None:
            client.before_first_byte = partial(state.translated.before_first_byte, before)

    async def _send(
        self,
        call: Call,
        admitted: AdmittedCall,
        client: ClientExchange,
        state: CallState,
        only_upstreams: bool,
    ) -> CallResult:
        """Send the call, and verify an answer from passages."""
        stages, trace = self._stages, state.trace
        result = await stages.dispatcher.send(call, admitted, client, trace, only_upstreams)
        if state.linked is None:
            return result
        answered = AnsweredCall(admitted, client, state.linked, only_upstreams, trace)
        with trace.stage("verify"):
            return await stages.verifier.verify(answered, result)

    async def _wait_for_slot(
        self, admitted: AdmittedCall, client: ClientExchange, state: CallState
    ) -> None:
        """Wait for one of the model's concurrency slots; the call's end releases it."""
        with state.trace.stage("wait"):
            state.slot = await self._stages.dispatcher.acquire_slot(admitted, client)

    def _release_attempt(self, client: ClientExchange, state: CallState) -> None:
        """Release slot and reservation of an unreachable model, before a fallback is tried."""
        if state.slot is not None:
            state.slot.release()
        if state.admitted is not None:
            self._stages.admission.release(state.admitted)
        state.slot = state.admitted = None
        client.extra_headers.pop(_MAX_TOKENS_HEADER, None)

    async def _admit(
        self,
        call: Call,
        client: ClientExchange,
        principal: Principal,
        request: ParsedRequest,
        state: CallState,
    ) -> AdmittedCall:
        """Admit the call and set its rate limit headers."""
        admission = self._stages.admission
        linked_cost_nano = 0 if state.linked is None else state.linked.max_cost_nano
        try:
            if call.held_money is None:
                admitted = admission.try_admit(call, principal, request)
            else:
                admitted = call.held_money.admit(call, principal, request)
            if admitted is None:
                async with client.deadline(self._settings.first_byte_timeout_s):
                    admitted = await admission.admit(call, principal, request, linked_cost_nano)
        finally:
            client.extra_headers.update(self._stages.call_metrics.rate_limit_headers(principal))
        if admitted.reduced_max_tokens is not None:
            client.extra_headers[_MAX_TOKENS_HEADER] = str(admitted.reduced_max_tokens)
        return admitted
