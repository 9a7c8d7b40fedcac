"""The endpoint table: all metered endpoints by operation, in the order of the OpenAPI document.

A new endpoint is a module in this package, a line here and a member of `Operation`; a new format of
chats is a package of gateway/wire, a line here and a member of `Operation`.
"""

from collections.abc import Mapping
from types import MappingProxyType

from gateway.call.error_format import OPENAI_ERRORS, ErrorFormat
from gateway.call.errors import EndpointUnsupported
from gateway.call.values import Operation
from gateway.inference.endpoints.chat import CHAT
from gateway.inference.endpoints.decisions import DECISIONS
from gateway.inference.endpoints.embeddings import EMBEDDINGS
from gateway.inference.endpoints.endpoint import Endpoint, UsageGroup
from gateway.inference.endpoints.fine_tuning import FINE_TUNING
from gateway.inference.endpoints.foreign import foreign_endpoint
from gateway.inference.endpoints.infer import INFER
from gateway.inference.endpoints.moderation import MODERATION
from gateway.inference.endpoints.plant_readings import READINGS
from gateway.inference.endpoints.plant_tags import TAG_ALIGNMENT, TAG_PROPOSAL
from gateway.inference.endpoints.predictions import PREDICTIONS
from gateway.inference.endpoints.rerank import RERANK
from gateway.inference.endpoints.text_completion import TEXT_COMPLETION
from gateway.wire.messages.format import MESSAGES_FORMAT
from gateway.wire.responses.format import RESPONSES_FORMAT

MESSAGES = foreign_endpoint(Operation.MESSAGES, "/v1/messages", "Messages API", MESSAGES_FORMAT)
RESPONSES = foreign_endpoint(
    Operation.RESPONSES, "/v1/responses", "Responses", RESPONSES_FORMAT, in_batches=True
)
_ENDPOINTS = (
    CHAT,
    TEXT_COMPLETION,
    EMBEDDINGS,
    RERANK,
    PREDICTIONS,
    INFER,
    TAG_ALIGNMENT,
    TAG_PROPOSAL,
    MESSAGES,
    RESPONSES,
    DECISIONS,
    MODERATION,
    FINE_TUNING,
    READINGS,
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


def errors_under(path: str) -> ErrorFormat:
    """Return the shape of errors below the path of a format, such as `/v1/messages/…`."""
    formats = (
        endpoint.error_format
        for endpoint in ENDPOINTS.values()
        if endpoint.wire_format is not None and path.startswith(f"{endpoint.path}/")
    )
    return next(formats, OPENAI_ERRORS)


def operations_in(group: UsageGroup) -> tuple[str, ...]:
    """Return the operations that a usage report of OpenAI's shows, as usage rows name them."""
    return tuple(
        operation.value
        for operation, endpoint in ENDPOINTS.items()
        if endpoint.usage_group is group
    )
