"""Dispatch an admitted call: wait for a slot, choose a server, send, and retry where it is safe."""

from dataclasses import replace

from billing.tables import Settlement
from gateway.asgi.exchange import ClientDisconnected, ClientExchange
from gateway.call.errors import Unavailable, UpstreamCredentialsRejected
from gateway.call.values import AdmittedCall, Call, CallResult, ParsedRequest, UpstreamRequest
from gateway.inference.call_metrics import AttemptOutcome, CallMetrics
from gateway.inference.relay import ANSWER_CORRECTED, CLIENT_CLOSED, CUT_AT_LIMIT, Relay
from gateway.upstream.circuit_breaker import InFlightCall
from gateway.upstream.concurrency import BACKGROUND_TIERS, Schedulers, Slot
from gateway.upstream.error_mapping import VARIANT_NOT_LOADED, SpecialistError
from gateway.upstream.load_balancer import Router, is_retryable
from gateway.upstream.upstream_monitor import UpstreamMonitor
from gateway.upstream.variant_loader import MAX_LOADS, VARIANT_UNLOADABLE, VariantLoader
from infra.clock import Clock
from infra.errors import AppError
from infra.telemetry.tracing import NOOP_TRACE, Trace

_BYTES_PER_TOKEN = 4


class Dispatcher:
    """Sends the admitted calls of one gateway process to model servers."""

    def __init__(
        self,
        schedulers: Schedulers,
        router: Router,
        relay: Relay,
        loader: VariantLoader,
        call_metrics: CallMetrics,
        clock: Clock,
        queue_timeout_s: float,
        monitor: UpstreamMonitor,
    ) -> None:
        self._schedulers = schedulers
        self._router = router
        self._relay = relay
        self._loader = loader
        self._call_metrics = call_metrics
        self._clock = clock
        self._queue_timeout_s = queue_timeout_s
        self._monitor = monitor

    def overflows(self, admitted: AdmittedCall) -> bool:
        """Whether own servers are full, and an upstream of the catalog can take the call.

        Calls of the tiers `flex` and `batch` wait for own servers.
        """
        tier = admitted.request.service_tier
        return (
            tier not in BACKGROUND_TIERS
            and self._router.can_route(admitted, only_upstreams=True)
            and self._schedulers.for_model(admitted.request.model.engine_id).is_full(tier)
        )

    async def acquire_slot(self, admitted: AdmittedCall, client: ClientExchange) -> Slot:
        """Wait for one of the model's concurrency slots, which the caller must release.

        Raises UpstreamBusy, UpstreamTimeout, ClientDisconnected.
        """
        request, account = admitted.request, admitted.principal.account_id.int
        tier, prompt_tokens = request.service_tier, _estimated_prompt_tokens(request)
        scheduler = self._schedulers.for_model(request.model.engine_id)
        slot = scheduler.try_acquire(tier, account, prompt_tokens)
        if slot is not None:
            return slot
        async with client.deadline(self._queue_timeout_s):
            return await scheduler.acquire(tier, account, prompt_tokens)

    async def send(
        self,
        call: Call,
        admitted: AdmittedCall,
        client: ClientExchange,
        trace: Trace = NOOP_TRACE,
        only_upstreams: bool = False,
    ) -> CallResult:
        """Send a call, retrying on other servers, and return its result.

        Loads a variant that the server lacks. With `only_upstreams`, own servers get nothing.
        Raises an AppError or ClientDisconnected only if nothing was sent to the client.
        """
        tried_servers: tuple[str, ...] = ()
        load_count = 0
        while True:
            target = self._router.route(admitted, call.request_id, tried_servers, only_upstreams)
            try:
                return await self._send_once(call, target, client, trace)
            except SpecialistError as error:
                variant_id = admitted.request.variant_id
                if error.code != VARIANT_NOT_LOADED or variant_id is None:
                    raise
                if load_count == MAX_LOADS:
                    raise Unavailable(VARIANT_UNLOADABLE) from error
                load_count += 1
                await self._loader.load(
                    target.server, admitted.principal.account_id, admitted.request.model, variant_id
                )
            except AppError as error:
                if client.abandoned:  # an upstream's response is awaited also after a disconnect
                    raise ClientDisconnected from error
                tried_servers += (target.server_id,)
                if not is_retryable(error) or not self._router.can_route(
                    admitted, tried_servers, only_upstreams
                ):
                    raise

    async def _send_once(
        self, call: Call, target: UpstreamRequest, client: ClientExchange, trace: Trace
    ) -> CallResult:
        """Send a call to one server and record the attempt in the metrics, however it ends."""
        started_at, outcome = self._clock.monotonic(), AttemptOutcome("interrupted")
        try:
            with (
                self._router.track(target) as in_flight,
                trace.upstream_request(target.server) as trace_headers,
            ):
                if trace_headers:
                    target = replace(target, trace_headers=trace_headers)
                result = await self._relay.send(target, client, in_flight.mark_responding)
                _report_health(in_flight, result)
            outcome = AttemptOutcome(_metrics_error(result), result.first_chunk_monotonic)
            if target.upstream.model_name is not None and result.error_code is None:
                self._monitor.report_success(target.upstream.name)
            return result
        except AppError as error:
            if isinstance(error, UpstreamCredentialsRejected):
                self._monitor.report_rejection(target.upstream.name, error.upstream_status)
            outcome = AttemptOutcome(error.code)
            raise
        except ClientDisconnected:
            outcome = AttemptOutcome(CLIENT_CLOSED.error_code)
            raise
        finally:
            model = target.request.model.id
            ended_at = self._clock.monotonic()
            self._call_metrics.record_upstream_attempt(
                call.operation.value, model, started_at, ended_at, outcome
            )


def _estimated_prompt_tokens(request: ParsedRequest) -> int:
    """Return roughly how much a language model has to read; 0 for other models."""
    is_generated = request.output_bounds.max_tokens_per_choice > 0
    return len(request.body) // _BYTES_PER_TOKEN if is_generated else 0


def _report_health(in_flight: InFlightCall, result: CallResult) -> None:
    """Report a failed or aborted stream to the server's circuit breaker."""
    if result.settlement is Settlement.PLATFORM_FAULT:
        in_flight.mark_failed()
    elif result.settlement is Settlement.CLIENT_ABORT:
        in_flight.mark_inconclusive()


def _metrics_error(result: CallResult) -> str | None:
    """Return the error code for the metrics; a stream that the gateway ended is not an error."""
    return None if result.error_code in (CUT_AT_LIMIT, ANSWER_CORRECTED) else result.error_code
