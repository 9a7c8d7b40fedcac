"""Send single steps of a conversation: linked calls with intent, reservation, row and price."""

from dataclasses import dataclass, field

from billing.metering.usage import UsageRecord
from billing.tables import Settlement
from gateway.asgi.exchange import ClientDisconnected, ClientExchange
from gateway.call.hosted_tools import HostedTools
from gateway.call.reservation import Reservation
from gateway.call.values import AdmittedCall, Call, CallResult, ParsedRequest, RetrievalRequest
from gateway.collaboration.decisions import Decision
from gateway.inference.dispatch import Dispatcher
from gateway.inference.endpoints.endpoint import Endpoint
from gateway.inference.hosted_tools.finding import ReadQuestion
from gateway.inference.internal.calls import new_internal_call
from gateway.inference.internal.linked_calls import LinkedCalls
from gateway.inference.internal.recorded_calls import run_recorded
from gateway.inference.relay import CLIENT_CLOSED
from gateway.inference.usage.writer import UsageWriter
from infra import ids
from infra.clock import Clock
from infra.telemetry.tracing import Trace


@dataclass(frozen=True, slots=True)
class HostedCall:
    """A chat with hosted tools, read and admitted: what its steps need.

    `searched` is its `file_search`, which may be repeated; None without one. `decisions` are those
    of its specialists so far.
    """

    call: Call
    admitted: AdmittedCall
    request: ParsedRequest
    hosted: HostedTools
    read: ReadQuestion
    client: ClientExchange
    linked: LinkedCalls
    trace: Trace
    searched: RetrievalRequest | None = None
    decisions: list[Decision] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class StepSender:
    """Sends single steps, for one gateway process."""

    dispatcher: Dispatcher
    writer: UsageWriter
    clock: Clock

    async def send(
        self,
        hosted: HostedCall,
        endpoint: Endpoint,
        request: ParsedRequest,
        waived: bool = False,
        is_text: bool = False,
    ) -> tuple[CallResult, UsageRecord | None]:
        """Send one step and add its usage row, however it ends.

        `is_text` is set for a step of the chat's own language model. Returns the result, an error's
        too, and the row unless the step is waived. Raises ClientDisconnected, and the errors of
        admission.
        """
        call = new_internal_call(self.clock, ids.new_id(), endpoint)
        admitted = (
            _waived(hosted, request)
            if waived
            else await hosted.linked.admit_step(call, hosted.admitted.principal, request, is_text)
        )

        async def work() -> CallResult:
            try:
                slot = await self.dispatcher.acquire_slot(admitted, hosted.client)
                try:
                    return await self.dispatcher.send(call, admitted, hosted.client, hosted.trace)
                finally:
                    slot.release()
            except ClientDisconnected:
                return CLIENT_CLOSED

        add = hosted.linked.add_waived if waived else hosted.linked.add_step
        result, record = await run_recorded(self.writer, hosted.linked, call, admitted, work, add)
        if result.settlement is Settlement.CLIENT_ABORT:
            raise ClientDisconnected
        return result, record


def _waived(hosted: HostedCall, request: ParsedRequest) -> AdmittedCall:
    """Return the admitted call of a second answer, which reserves none of the account's quotas."""
    parent = hosted.admitted
    reservation = Reservation([], parent.reservation.process_id)
    return AdmittedCall(parent.principal, request, parent.model_prices, reservation)
