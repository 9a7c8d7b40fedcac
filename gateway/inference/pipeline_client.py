"""Send the gateway's own requests through the inference pipeline, for background work.

A request is parsed, admitted, limited, metered and billed like a client's, including model
selection, retrieval and fine-tuned models. Unlike an internal call (internal/calls.py), it needs no
code for any of these, and an Idempotency-Key makes it safe to repeat after a crash.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from gateway.asgi.exchange import ClientExchange
from gateway.asgi.memory_exchange import MemoryExchange, StreamListener
from gateway.asgi.timeouts import TimeoutWheel
from gateway.call.values import Call, HeldMoney, ServiceTier, SignedInCaller
from gateway.inference.endpoints.endpoint import Endpoint
from gateway.inference.pipeline import Pipeline
from infra import ids
from infra.clock import Clock


@dataclass(frozen=True, slots=True)
class PipelineResponse:
    """The response of a request that was sent through the pipeline."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class PipelineClient:
    """Sends requests through the pipeline of this process. Bound to one event loop."""

    def __init__(self, pipeline: Pipeline, clock: Clock) -> None:
        self._pipeline = pipeline
        self._clock = clock
        self._deadlines = TimeoutWheel()

    async def post(
        self,
        endpoint: Endpoint,
        caller: SignedInCaller,
        headers: Mapping[bytes, bytes],
        body: bytes,
        held_money: HeldMoney | None = None,
        service_tier: ServiceTier | None = None,
        credentials: str | None = None,
        listener: StreamListener | None = None,
    ) -> PipelineResponse:
        """Send a request, billed to the caller's key; return its response.

        Errors are responses too. The key's networks are not checked: the work goes on after the
        request that started it. With `held_money` the call is paid from it, and has no limits of
        requests and tokens; `service_tier` replaces the tier of the body. `credentials`, the
        Authorization header of a request that is being answered, spares the look-up of the caller's
        key in the database. A `listener` gets the body of an answer as it is produced.
        """
        call = Call(
            request_id=ids.new_id(),
            operation=endpoint.operation,
            path=endpoint.path,
            credentials=credentials,
            headers=headers,
            model_in_path=None,
            started_at=self._clock.now(),
            started_monotonic=self._clock.monotonic(),
            signed_in_caller=caller if credentials is None else None,
            client_address=None,
            held_money=held_money,
            service_tier=service_tier,
        )
        exchange = MemoryExchange(body, listener)
        client = ClientExchange(headers, exchange.receive, exchange.send, self._deadlines)
        await self._pipeline.serve(call, client)
        return PipelineResponse(exchange.status, exchange.headers, exchange.body)
