"""Background runner of responses: several at a time in a gateway process.

    claim -> send through the pipeline with an Idempotency-Key -> store

The usage row and the stored answer of the key are written in one transaction. If this process is
lost before the response is stored here, the next one sends the same request again and gets that
answer, which is not billed again. Events of a streamed response are recorded meanwhile.
"""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy.exc import SQLAlchemyError

from gateway.call.errors import InternalError
from gateway.call.values import SignedInCaller
from gateway.inference.call_metrics import headers_as_fields
from gateway.inference.endpoints.table import RESPONSES
from gateway.inference.pipeline_client import PipelineClient, PipelineResponse
from gateway.quota.process_heartbeat import ProcessHeartbeat
from gateway.responses import rows
from gateway.responses.attempts import AttemptSpan
from gateway.responses.content import ContentPart, ContentSealer
from gateway.responses.event_log import EventRow, append_events, list_attempts
from gateway.responses.failures import Failure, failure_of, failure_of_stream
from gateway.responses.recording import EventRecorder
from gateway.responses.store import ResponseStore
from gateway.tables import SavedResponse
from gateway.wire.responses.answer import own_fields
from gateway.wire.responses.output import ResponseStatus, failure_fields
from infra.clock import Clock
from infra.database.database import Database, DatabaseUnavailable
from infra.database.due_work import DueRows, Moment
from infra.errors import error_object
from infra.poller import Poller
from infra.secrets.sealer import SealBroken
from infra.timing import DEFAULT_TIMING, Timing

# Few, so that they do not delay the calls of clients that wait.
_MAX_RUNNING = 8
_CLEANUP_PERIOD_S = 60.0
# Fields of the response that the call in the background does not know.
_KEPT_FIELDS = ("id", "created_at", "background", "store", "previous_response_id")
_COST_HEADERS = ("x-maas-cost", "x-maas-currency")


@dataclass(frozen=True, slots=True)
class RunnerDependencies:
    """The parts of a gateway process that the runner uses."""

    clock: Clock
    database: Database
    heartbeat: ProcessHeartbeat
    client: PipelineClient
    store: ResponseStore
    timing: Timing = DEFAULT_TIMING


class BackgroundRunner(Poller):
    """Polls for background responses and runs them; also deletes expired responses."""

    def __init__(self, dependencies: RunnerDependencies) -> None:
        super().__init__("responses", self._start_next, dependencies.timing)
        self._deps = dependencies
        self._running: dict[UUID, asyncio.Task[None]] = {}
        self._next_cleanup = float("-inf")

    def due_rows(self, moment: Moment) -> Sequence[DueRows]:
        """Return the query of responses to be made, of others than this process's."""
        queue = rows.QUEUE
        is_others = queue.owner.is_distinct_from(moment.process_id)
        return (queue.claimable_rows(moment.now, moment.process_id).where(is_others),)

    @property
    def store(self) -> ResponseStore:
        """The stored responses."""
        return self._deps.store

    async def stop(self) -> None:
        """Stop the loop and the running calls, which another process can run again."""
        await super().stop()
        tasks = list(self._running.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _start_next(self) -> bool:
        """Start the next due response. Returns whether there was one."""
        deps = self._deps
        await self._clean_up()
        if not deps.heartbeat.is_alive or len(self._running) >= _MAX_RUNNING:
            return False
        async with deps.database.transaction() as session:
            row = await rows.claim_next(
                session, deps.clock, deps.heartbeat.process_id, frozenset(self._running)
            )
        if row is None:
            return False
        task = asyncio.create_task(self._run_claimed(row), name="background-response")
        self._running[row.id] = task
        task.add_done_callback(lambda _: self._forget(row.id))
        return True

    def _forget(self, response_id: UUID) -> None:
        """Forget a response whose task has ended, and look for the next one."""
        self._running.pop(response_id, None)
        self.wake()

    async def _clean_up(self) -> None:
        """Delete expired responses, once per period."""
        now = self._deps.clock.monotonic()
        if now >= self._next_cleanup:
            self._next_cleanup = now + _CLEANUP_PERIOD_S
            async with self._deps.database.transaction() as session:
                await rows.delete_expired_responses(session, self._deps.clock.now())

    async def _run_claimed(self, row: SavedResponse) -> None:
        """Send a claimed request and store what comes of it."""
        try:
            await self._answer(row)
        except asyncio.CancelledError:
            with suppress(DatabaseUnavailable, SQLAlchemyError):
                await asyncio.shield(self._release(row, 0.0))
            raise
        except Exception:
            self._log.exception("a background response failed", response=str(row.id))
            with suppress(DatabaseUnavailable, SQLAlchemyError):
                await self._retry_or_release(row)

    async def _retry_or_release(self, row: SavedResponse) -> None:
        """Retry or fail a response after an unexpected error.

        One that cannot be read, as after a change of the secret key, has nothing to fail with: it
        is tried again after the longest delay, until it expires.
        """
        error = error_object(InternalError("Something went wrong on our side."))
        try:
            await self._retry_or_fail(row, Failure(error, InternalError.status, 0.0))
        except SealBroken:
            await self._release(row, rows.QUEUE.retry.delay(row.attempts).total_seconds())

    async def _answer(self, row: SavedResponse) -> None:
        """Send the request and store what comes of it. Raises ValueError if the row has none."""
        if row.request is None:
            raise ValueError("the response has no request")
        work = self._content(row).open(row.id, ContentPart.REQUEST, row.request)
        if not work["body"].get("stream"):
            return await self._store(row, await self._send(row, work))
        recorder = await self._open_recorder(row)
        try:
            answer = await self._send(row, work, recorder)
            await recorder.finish()
        finally:
            await recorder.abandon()
        await self._store_streamed(row, answer, recorder)

    async def _open_recorder(self, row: SavedResponse) -> EventRecorder:
        """Return what records the events of this attempt, after those of earlier ones."""
        deps, content = self._deps, self._content(row)

        async def write(span: AttemptSpan, events: bytes) -> bool:
            """Append events to the log; returns whether the response still needs them."""
            sealed = content.seal_events(row.id, span.first, events)
            event_row = EventRow(span.attempt, span.first, span.last, sealed)
            process_id = deps.heartbeat.process_id
            async with deps.database.transaction() as session:
                return await append_events(session, row.account_id, row.id, process_id, event_row)

        async with deps.database.transaction() as session:
            spans = await list_attempts(session, row.account_id, row.id)
        return EventRecorder(write, row.attempts, spans[-1] if spans else None, self._kept(row))

    async def _send(
        self,
        row: SavedResponse,
        work: Mapping[str, Any],
        recorder: EventRecorder | None = None,
    ) -> PipelineResponse:
        """Send the request through the pipeline; a recorder gets the events of a stream."""
        headers = {
            name.encode(): value.encode("latin-1") for name, value in work["headers"].items()
        }
        headers[b"idempotency-key"] = f"response {row.id.hex}".encode()
        body = msgspec.json.encode(work["body"])
        caller = SignedInCaller(row.account_id, row.key_id)
        return await self._deps.client.post(RESPONSES, caller, headers, body, listener=recorder)

    async def _store(self, row: SavedResponse, answer: PipelineResponse) -> None:
        """Store the answer, or retry or fail after an error."""
        if answer.status != 200:
            return await self._retry_or_fail(row, failure_of(answer))
        response = msgspec.json.decode(answer.body, type=dict[str, Any])
        cost = _cost_fields(answer)
        await self._end(row, {**response, **self._kept(row), **cost}, response["status"])

    async def _store_streamed(
        self, row: SavedResponse, answer: PipelineResponse, recorder: EventRecorder
    ) -> None:
        """Store the answer that a stream ended with, or retry or fail after an error."""
        if answer.status != 200:
            return await self._retry_or_fail(row, failure_of(answer))
        final = recorder.final
        if final is None or final["response"]["status"] == ResponseStatus.FAILED:
            return await self._retry_or_fail(row, failure_of_stream(final))
        response, cost = final["response"], own_fields(final)
        await self._end(row, {**response, **self._kept(row), **cost}, response["status"])

    def _kept(self, row: SavedResponse) -> dict[str, Any]:
        """Return the fields of the response that the call in the background does not know."""
        begun = self._content(row).open_response(row.id, row.response)
        return {name: begun[name] for name in _KEPT_FIELDS}

    async def _retry_or_fail(self, row: SavedResponse, failure: Failure) -> None:
        """Release the response for its next attempt; fail it if the error or attempt is final."""
        retry_after_s = failure.retry_after_s
        if retry_after_s is not None and not rows.QUEUE.retry.gives_up_after(row.attempts):
            delay_s = rows.QUEUE.retry.delay(row.attempts).total_seconds()
            return await self._release(row, max(retry_after_s, delay_s))
        begun = self._content(row).open_response(row.id, row.response)
        error = failure_fields(failure.error, failure.status)
        status = ResponseStatus.FAILED.value
        await self._end(row, {**begun, "status": status, "error": error}, status)

    async def _end(self, row: SavedResponse, response: Mapping[str, Any], status: str) -> None:
        """Set the final state of the response; nothing if it was cancelled or deleted."""
        content, part = self._content(row), ContentPart.RESPONSE
        values = {"status": status, "response": content.seal(row.id, part, response)}
        async with self._deps.database.transaction() as session:
            await rows.end_response(session, row.account_id, row.id, values)

    async def _release(self, row: SavedResponse, delay_s: float) -> None:
        """Release the claim: the response is due after a delay."""
        deps = self._deps
        async with deps.database.transaction() as session:
            held = await rows.lock_claimed(session, row, deps.heartbeat.process_id)
            if held is not None:
                held.process_id = None
                held.retry_at = deps.clock.now() + timedelta(seconds=delay_s)

    def _content(self, row: SavedResponse) -> ContentSealer:
        """Return what decrypts the content of the row's account."""
        return self._deps.store.content(row.account_id)


def _cost_fields(answer: PipelineResponse) -> dict[str, str]:
    """Return the call's cost as fields; none for a replayed answer, which was billed before."""
    if "idempotent-replayed" in answer.headers:
        return {}
    headers = {name: answer.headers[name] for name in _COST_HEADERS if name in answer.headers}
    return headers_as_fields(headers)
