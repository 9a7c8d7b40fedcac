"""Finish a call: write its usage row and those of its linked calls, then send the last bytes."""

from dataclasses import replace

from billing.metering.usage import UsageRecord
from billing.metering.usage_log import StoredResponse
from billing.tables import Settlement
from gateway.asgi.exchange import ClientExchange
from gateway.call.errors import InternalError, MeteringUnavailable, render_error_event
from gateway.call.failure import client_status, failed_result
from gateway.call.values import Call, CallResult
from gateway.inference.call_metrics import headers_as_fields, span_name_and_attributes
from gateway.inference.delivery import is_delivering, render_tail
from gateway.inference.idempotency import answer_to_store
from gateway.inference.internal.variant_calls import follow_variant
from gateway.inference.stages import CallState, Stages
from gateway.inference.usage.error_report import KnownWords, build_error_report
from gateway.inference.usage.pending_writes import InternalCallUsage
from gateway.inference.usage.record import as_unbilled, build_usage_record
from gateway.wire.sse import add_body_fields
from infra.clock import Clock


class CallFinisher:
    """Finishes the calls of one gateway process."""

    def __init__(self, stages: Stages, clock: Clock) -> None:
        self._stages = stages
        self._clock = clock
        self._known_words = KnownWords(stages.parser.catalog)

    async def finish(
        self, call: Call, client: ClientExchange, state: CallState, result: CallResult
    ) -> None:
        """Write the usage row, then send the end of the response."""
        record = self._build_record(call, state, result)
        linked_usages = () if state.linked is None else state.linked.settle(record)
        linked_cost = sum(usage.record.cost_nano for usage in linked_usages)
        cost_headers = self._stages.call_metrics.cost_headers(state.principal, record, linked_cost)
        tail = render_tail(result, cost_headers, state.translated)
        if state.shows_cost and not result.stream_started and result.status == 200:
            tail = add_body_fields(tail, headers_as_fields(cost_headers))
        answer = (
            answer_to_store(result, client.response_copy, tail)
            if client.response_copy is not None
            else None
        )
        try:
            # An Idempotency-Key must be released, durably, before its client can retry.
            if is_delivering(result) or answer is not None:
                reservation = None if state.admitted is None else state.admitted.reservation
                with state.trace.stage("meter"):
                    await self._stages.writer.write(
                        record, reservation, state.intent, answer, linked_usages, state.decisions
                    )
            else:
                self._enqueue(record, state, answer, linked_usages)
        except MeteringUnavailable as error:
            if is_delivering(result):
                record, cost_headers = as_unbilled(record, error.code), {}
                error_event = render_error_event(error) if result.stream_started else None
                result = failed_result(call, error, result.stream_started, error_event)
                tail = render_tail(result, cost_headers, state.translated)
        if state.translated is not None:
            await state.translated.ended(result)
        if state.verdicts and result.settlement is Settlement.COMPLETE:
            await self._stages.asset_inputs.store(state.verdicts)
        if state.request is not None and state.request.variant_id is not None:
            follow_variant(self._stages, call, state, result)
        error_type = self._stages.call_metrics.record_call(record, result)
        client.before_first_byte = None
        client.extra_headers.update(cost_headers)
        if result.error is not None:
            result = replace(result, status=client_status(call, result.error))
        try:
            await client.finish(result, tail)
        finally:
            if state.trace.id is not None:
                state.trace.end(*span_name_and_attributes(record, result), error_type)

    def enqueue_stopped(self, call: Call, state: CallState) -> None:
        """Queue the usage row of a call that ends with the process, without waiting for it."""
        result = failed_result(call, InternalError("The service was stopped."))
        answer = None if state.claim is None else StoredResponse(None)
        record = self._build_record(call, state, result)
        linked_usages = () if state.linked is None else state.linked.settle(record)
        self._enqueue(record, state, answer, linked_usages)

    def _enqueue(
        self,
        record: UsageRecord,
        state: CallState,
        answer: StoredResponse | None,
        linked_usages: tuple[InternalCallUsage, ...] = (),
    ) -> None:
        """Queue the usage row without waiting for its commit."""
        reservation = None if state.admitted is None else state.admitted.reservation
        # Only what is billed is recorded: an aborted call, but none that failed or was stopped.
        decisions = state.decisions if record.settlement.billable else ()
        self._stages.writer.enqueue(
            record, reservation, state.intent, answer, linked_usages, decisions
        )

    def _build_record(self, call: Call, state: CallState, result: CallResult) -> UsageRecord:
        """Build the usage row of the call, with its redacted error."""
        error, report = result.error, None
        # Nothing is stored about an error of an unauthenticated caller.
        if error is not None and state.principal is not None:
            report = build_error_report(error, self._known_words.current(), call, state.body)
        return build_usage_record(
            call, state.principal, state.request, state.admitted, result, self._clock, report
        )
