"""Parse requests for batches. Docstrings of the bodies are part of the OpenAPI document."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from gateway.call.errors import ParameterInvalid
from gateway.inference.endpoints.endpoint import Endpoint
from gateway.inference.endpoints.table import ENDPOINTS
from gateway.wire.body import decode_body_strict

COMPLETION_WINDOW = "24h"
WINDOW_HOURS = 24
BATCH_ENDPOINTS: Mapping[str, Endpoint] = MappingProxyType(
    {endpoint.path: endpoint for endpoint in ENDPOINTS.values() if endpoint.in_batches}
)
_Label = Annotated[str, Meta(min_length=1, max_length=64)]
_LabelValue = Annotated[str, Meta(max_length=512)]


class BatchRequest(msgspec.Struct):
    """`POST /v1/batches`. `input_file_id` is a file with the purpose `batch`."""

    input_file_id: str
    endpoint: str
    completion_window: Literal["24h"]
    metadata: Annotated[dict[_Label, _LabelValue], Meta(max_length=16)] | None = None


_DECODER = msgspec.json.Decoder(BatchRequest)


def parse_batch_request(body: bytes) -> BatchRequest:
    """Parse and validate the body of a new batch. Raises BodyNotJson, ParameterInvalid."""
    request = decode_body_strict(_DECODER, body)
    if request.endpoint not in BATCH_ENDPOINTS:
        allowed = ", ".join(f"`{path}`" for path in BATCH_ENDPOINTS)
        raise ParameterInvalid(f"`endpoint` must be one of {allowed}.", param="endpoint")
    return request
