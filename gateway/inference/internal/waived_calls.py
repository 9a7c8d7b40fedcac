"""Make linked calls at the operator's expense: checks of an answer, and second answers.

A waived call needs no quota and never costs anything; its usage row is written with the parent's.
"""

import asyncio
from dataclasses import dataclass

from gateway.call.errors import UpstreamTimeout
from gateway.call.reservation import Reservation
from gateway.call.values import (
    AdmittedCall,
    CallResult,
    ModelPrices,
    ParsedRequest,
    Principal,
)
from gateway.inference.endpoints.endpoint import Endpoint
from gateway.inference.internal.detached_sender import DetachedSender
from gateway.inference.internal.linked_calls import LinkedCalls
from gateway.inference.internal.recorded_calls import run_recorded
from gateway.inference.usage.writer import UsageWriter
from gateway.quota.process_heartbeat import ProcessHeartbeat
from infra import ids


@dataclass(frozen=True, slots=True)
class WaivedCall:
    """A call linked to a client's. Whatever `prices` are, its row costs nothing."""

    linked: LinkedCalls
    principal: Principal
    prices: ModelPrices
    endpoint: Endpoint
    request: ParsedRequest


@dataclass(frozen=True, slots=True)
class WaivedCallSender:
    """Sends the waived calls of one gateway process."""

    sender: DetachedSender
    writer: UsageWriter
    heartbeat: ProcessHeartbeat

    async def send(self, waived: WaivedCall, timeout_s: float) -> CallResult:
        """Send a call and add its usage row, however it ends; a failure is part of the result."""
        linked = waived.linked
        call = linked.new_call(ids.new_id(), waived.endpoint)
        reservation = Reservation([], self.heartbeat.process_id)
        admitted = AdmittedCall(waived.principal, waived.request, waived.prices, reservation)

        async def work() -> CallResult:
            try:
                async with asyncio.timeout(timeout_s):
                    return await self.sender.send(call, admitted)
            except TimeoutError:
                raise UpstreamTimeout("The model did not answer in time.") from None

        add = linked.add_waived
        result, _ = await run_recorded(self.writer, linked, call, admitted, work, add)
        return result
