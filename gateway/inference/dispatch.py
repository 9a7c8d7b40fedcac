"""Dispatch: an admitted call gets a slot, a server, and another server where that is safe.

Owns the order of waiting, routing and sending, and what is sent again.
"""

from dataclasses import replace

from billing.tables import Settlement
from gateway.asgi.exchange import Client, ClientGone
from gateway.call.errors import Unavailable
from gateway.call.values import Call, Completion, Target, Ticket
from gateway.inference.call_metrics import Figures, Sent
from gateway.inference.relay import CUT, LEFT, Relay
from gateway.upstream.concurrency import Schedulers, Slot
from gateway.upstream.error_mapping import NOT_LOADED, SpecialistRefused
from gateway.upstream.load_balancer import Router, Watch, may_retry
from gateway.upstream.variant_loader import MOST_LOADS, UNLOADABLE, VariantLoader
from infra.clock import Clock
from infra.errors import AppError
from infra.telemetry.tracing import UNTRACED, Trace


class Dispatcher:
    """Sends the calls of one gateway process."""

    def __init__(
        self,
        schedulers: Schedulers,
        router: Router,
        relay: Relay,
        loader: VariantLoader,
        figures: Figures,
        clock: Clock,
        queue_timeout_s: float,
    ) -> None:
        self._schedulers = schedulers
        self._router = router
        self._relay = relay
        self._loader = loader
        self._figures = figures
        self._clock = clock
        self._queue_timeout_s = queue_timeout_s

    async def slot(self, ticket: Ticket, client: Client) -> Slot:
        """A slot, which is to be left. Raises UpstreamBusy, UpstreamTimeout, ClientGone."""
        tier, account = ticket.ask.tier, ticket.principal.account_id
        scheduler = self._schedulers.of(ticket.ask.model.engine_id)
        if scheduler.full(tier):
            async with client.attended(self._queue_timeout_s):
                return await scheduler.enter(tier, account)
        return await scheduler.enter(tier, account)

    async def send(
        self, call: Call, ticket: Ticket, client: Client, trace: Trace = UNTRACED
    ) -> Completion:
        """How the call ended. Raises the facts for which nothing was sent to the client yet."""
        tried: tuple[str, ...] = ()
        loads = 0
        while True:
            target = self._router.route(ticket, call.request_id, tried)
            try:
                return await self._try(call, target, client, trace)
            except SpecialistRefused as error:
                variant = ticket.ask.variant
                if error.code != NOT_LOADED or variant is None:
                    raise
                if loads == MOST_LOADS:
                    raise Unavailable(UNLOADABLE) from error
                loads += 1
                await self._loader.load(
                    target.server, ticket.principal.account_id, ticket.ask.model, variant
                )
            except AppError as error:
                tried += (target.server,)
                if not may_retry(error) or not self._router.can_route(ticket, tried):
                    raise

    async def _try(self, call: Call, target: Target, client: Client, trace: Trace) -> Completion:
        """The call at one server, which is measured however it ends."""
        began, end = self._clock.monotonic(), Sent("interrupted")
        try:
            with self._router.watched(target) as watch, trace.sending(target.server) as carried:
                if carried:
                    target = replace(target, carried=carried)
                completion = await self._relay.send(target, client, watch.answered)
                _tell(watch, completion)
            end = Sent(_error(completion), completion.first_chunk)
            return completion
        except AppError as error:
            end = Sent(error.code)
            raise
        except ClientGone:
            end = Sent(LEFT.error_code)
            raise
        finally:
            model = target.ask.model.id
            ended = self._clock.monotonic()
            self._figures.sent(call.operation.value, model, began, ended, end)


def _tell(watch: Watch, completion: Completion) -> None:
    if completion.settlement is Settlement.PLATFORM_FAULT:
        watch.failed()
    elif completion.settlement is Settlement.CLIENT_ABORT:
        watch.inconclusive()


def _error(completion: Completion) -> str | None:
    """None too where an answer was only cut."""
    return None if completion.error_code == CUT else completion.error_code
