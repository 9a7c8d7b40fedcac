"""`POST /v1/plant/readings`: a service, not a model; gateway/api/plant/ stores the readings."""

from gateway.call.errors import EndpointUnsupported
from gateway.call.values import Call, Operation, Principal
from gateway.inference.endpoints.endpoint import DecodedRequest, Endpoint


def _decode(call: Call, body: bytes, principal: Principal) -> DecodedRequest:
    """Raise EndpointUnsupported: readings name no model and have formats of their own."""
    raise EndpointUnsupported("Readings cannot be quoted or batched.")


READINGS = Endpoint(
    operation=Operation.READINGS,
    path="/v1/plant/readings",
    label="Readings",
    tasks=frozenset(),
    decode=_decode,
    is_job=True,
)
