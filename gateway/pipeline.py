"""The sentence: request -> authenticate -> parse -> admit -> route -> send -> meter.

Owns the order of the stages, and that every call, however it ends, is priced, written down and
only then answered to its last byte. Does not own what a stage does.
"""

import asyncio
from dataclasses import dataclass, replace

import structlog

from billing.money import nano_text
from billing.tables import Settlement
from billing.usage import REQUEST_PREFIX, UsageRecord
from gateway.admission import admit
from gateway.auth import Authenticator
from gateway.client import Client, ClientGone
from gateway.errors import InternalError, MeteringUnavailable, envelope, event
from gateway.flow import Ask, Call, Completion, Operation, Principal, Ticket
from gateway.metering import UsageWriter, price, unbilled
from gateway.parsing import Parser
from gateway.relay import LEFT, Relay
from gateway.routing import Router
from infra import ids
from infra.clock import Clock
from infra.errors import AppError
from infra.metrics import Metrics
from infra.settings import Settings


@dataclass(slots=True)
class _Seen:
    """How far a call came: what its usage row can say when it ends early."""

    principal: Principal | None = None
    ask: Ask | None = None
    ticket: Ticket | None = None


class Pipeline:
    """Serves calls for one gateway process."""

    def __init__(
        self,
        authenticator: Authenticator,
        parser: Parser,
        router: Router,
        relay: Relay,
        writer: UsageWriter,
        clock: Clock,
        metrics: Metrics,
        settings: Settings,
    ) -> None:
        self._authenticator = authenticator
        self._parser = parser
        self._router = router
        self._relay = relay
        self._writer = writer
        self._clock = clock
        self._metrics = metrics
        self._settings = settings
        self._log = structlog.get_logger()

    async def serve(self, call: Call, client: Client) -> None:
        """Answer one call. Every failure becomes an answer and a usage row."""
        seen = _Seen()
        self._metrics.running.inc()
        try:
            completion = await self._answer(call, client, seen)
            await self._end(call, client, seen, completion)
        finally:
            self._metrics.running.dec()

    async def _answer(self, call: Call, client: Client, seen: _Seen) -> Completion:
        try:
            return await self._stages(call, client, seen)
        except ClientGone:
            return LEFT
        except AppError as error:
            return refused(call, error)
        except asyncio.CancelledError:
            # The process is being stopped: no time to wait, but the call leaves its row.
            stopped = refused(call, InternalError("The service was stopped."))
            self._writer.offer(self._record(call, seen, stopped))
            raise
        except Exception:
            request_id = ids.show(REQUEST_PREFIX, call.request_id)
            self._log.exception("a call failed", request_id=request_id)
            return refused(call, InternalError("Something went wrong on our side."))

    async def _stages(self, call: Call, client: Client, seen: _Seen) -> Completion:
        self._writer.require_ready()
        known = await self._authenticator.identify(call.credentials)
        seen.principal = known.principal
        principal = self._authenticator.require_active(known)
        settings = self._settings
        body = await client.body(settings.max_body_bytes, settings.body_timeout_s)
        seen.ask = self._parser.parse(call, body)
        seen.ticket = admit(principal, seen.ask)
        target = self._router.route(seen.ticket, call.request_id)
        return await self._relay.send(target, client)

    async def _end(self, call: Call, client: Client, seen: _Seen, completion: Completion) -> None:
        record = self._record(call, seen, completion)
        try:
            if _delivers(completion):
                await self._writer.append(record)
            else:
                self._writer.offer(record)
        except MeteringUnavailable as error:
            if _delivers(completion):
                record = unbilled(record, error.code)
                tail = event(error) if completion.started else None
                completion = refused(call, error, completion.started, tail)
        self._count(record, completion)
        await client.finish(_headed(call, record, completion))

    def _record(self, call: Call, seen: _Seen, completion: Completion) -> UsageRecord:
        return price(call, seen.principal, seen.ask, seen.ticket, completion, self._clock)

    def _count(self, record: UsageRecord, completion: Completion) -> None:
        metrics, model = self._metrics, record.model or ""
        metrics.calls.labels(
            record.operation, model, record.settlement.value, str(completion.status)
        ).inc()
        metrics.duration.labels(record.operation, model).observe(record.duration_us / 1e6)
        if record.first_chunk_us is not None:
            metrics.first_chunk.labels(record.operation, model).observe(record.first_chunk_us / 1e6)
        if record.settlement.billable:
            quantities = record.quantities
            metrics.tokens.labels(model, "input").inc(quantities.input_tokens or 0)
            metrics.tokens.labels(model, "output").inc(quantities.output_tokens or 0)
            metrics.rows.labels(model).inc(quantities.rows or 0)


def _delivers(completion: Completion) -> bool:
    """Whether something of worth went out or will, which must not be seen before its row is."""
    return completion.started or completion.status == 200


def refused(
    call: Call, error: AppError, started: bool = False, tail: bytes | None = None
) -> Completion:
    """The end of a call that an error decided. Below 500 it is the caller's, else our fault."""
    fault = error.status >= 500
    headers = {"content-type": "application/json"}
    if error.status == 401:
        headers["www-authenticate"] = "Bearer"
    return Completion(
        settlement=Settlement.PLATFORM_FAULT if fault else Settlement.REFUSED,
        status=error.status,
        tail=envelope(error, call.operation is Operation.INFER) if tail is None else tail,
        headers=headers,
        error_code=error.code,
        started=started,
    )


def _headed(call: Call, record: UsageRecord, completion: Completion) -> Completion:
    """Whole answers say which call they are and what it cost; a stream's headers are gone."""
    if completion.started:
        return completion
    headers = {**completion.headers, "x-request-id": ids.show(REQUEST_PREFIX, call.request_id)}
    if record.settlement is Settlement.COMPLETE and completion.status == 200:
        headers["x-maas-cost"] = nano_text(record.cost_nano)
        headers["x-maas-currency"] = record.currency or ""
    return replace(completion, headers=headers)
