"""The endpoint table: all metered endpoints by operation, in the order of the OpenAPI document.

A new endpoint is a module in this package, a line here and a member of `Operation`.
"""

from collections.abc import Mapping
from types import MappingProxyType

from gateway.call.errors import EndpointUnsupported
from gateway.call.values import Operation
from gateway.inference.endpoints.chat import CHAT
from gateway.inference.endpoints.decisions import DECISIONS
from gateway.inference.endpoints.embeddings import EMBEDDINGS
from gateway.inference.endpoints.endpoint import Endpoint, UsageGroup
from gateway.inference.endpoints.fine_tuning import FINE_TUNING
from gateway.inference.endpoints.infer import INFER
from gateway.inference.endpoints.messages import MESSAGES
from gateway.inference.endpoints.predictions import PREDICTIONS
from gateway.inference.endpoints.responses import RESPONSES
from gateway.inference.endpoints.text_completion import TEXT_COMPLETION

_ENDPOINTS = (
    CHAT,
    TEXT_COMPLETION,
    EMBEDDINGS,
    PREDICTIONS,
    INFER,
    MESSAGES,
    RESPONSES,
    DECISIONS,
    FINE_TUNING,
)
ENDPOINTS: Mapping[Operation, Endpoint] = MappingProxyType(
    {endpoint.operation: endpoint for endpoint in _ENDPOINTS}
)


def find_endpoint(operation: Operation) -> Endpoint:
    """Return the endpoint of an operation. Raises EndpointUnsupported if there is none."""
    endpoint = ENDPOINTS.get(operation)
    if endpoint is None:
        raise EndpointUnsupported("Unknown URL. See /docs for the list of endpoints.")
    return endpoint


def operations_in(group: UsageGroup) -> tuple[str, ...]:
    """Return the operations that a usage report of OpenAI's shows, as usage rows name them."""
    return tuple(
        operation.value
        for operation, endpoint in ENDPOINTS.items()
        if endpoint.usage_group is group
    )
