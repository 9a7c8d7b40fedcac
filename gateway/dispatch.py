"""Dispatch: an admitted call gets a slot, a server, and another server where that is safe.

Owns the order of waiting, routing and sending, and what is sent again. Does not own any of them
(gateway/scheduling.py, routing.py, relay.py).
"""

from billing.tables import Settlement
from gateway.client import Client
from gateway.errors import Unavailable
from gateway.flow import Call, Completion, Ticket
from gateway.relay import Relay
from gateway.routing import Router, Watch, may_retry
from gateway.scheduling import Schedulers, Slot
from gateway.translation import NOT_LOADED, SpecialistRefused
from gateway.variant_loading import MOST_LOADS, UNLOADABLE, VariantLoader
from infra.errors import AppError


class Dispatcher:
    """Sends the calls of one gateway process."""

    def __init__(
        self,
        schedulers: Schedulers,
        router: Router,
        relay: Relay,
        loader: VariantLoader,
        queue_timeout_s: float,
    ) -> None:
        self._schedulers = schedulers
        self._router = router
        self._relay = relay
        self._loader = loader
        self._queue_timeout_s = queue_timeout_s

    async def slot(self, ticket: Ticket, client: Client) -> Slot:
        """A slot, which is to be left. Raises UpstreamBusy, UpstreamTimeout, ClientGone."""
        tier, account = ticket.ask.tier, ticket.principal.account_id
        scheduler = self._schedulers.of(ticket.ask.model.engine_id)
        if scheduler.full(tier):
            async with client.attended(self._queue_timeout_s):
                return await scheduler.enter(tier, account)
        return await scheduler.enter(tier, account)

    async def send(self, call: Call, ticket: Ticket, client: Client) -> Completion:
        """How the call ended. Raises the facts for which nothing was sent to the client yet."""
        tried: tuple[str, ...] = ()
        loads = 0
        while True:
            target = self._router.route(ticket, call.request_id, tried)
            try:
                with self._router.watched(target) as watch:
                    completion = await self._relay.send(target, client, watch.answered)
                    _tell(watch, completion)
                    return completion
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


def _tell(watch: Watch, completion: Completion) -> None:
    if completion.settlement is Settlement.PLATFORM_FAULT:
        watch.failed()
    elif completion.settlement is Settlement.CLIENT_ABORT:
        watch.inconclusive()
