"""Parse requests to start a shadow deployment."""

from typing import Annotated

import msgspec
from msgspec import Meta

from gateway.wire import body as bodies

MAX_ROWS, MAX_DAYS = 20_000, 30


class ShadowRequest(msgspec.Struct):
    """`POST /v1/models/{model}/shadow`: a version that answers calls of the current one, unseen.

    `share` of the calls are answered by both, until `max_rows` rows are stored or `days` have
    passed.
    """

    version: Annotated[int, Meta(ge=1, le=2**31 - 1)]
    share: Annotated[float, Meta(gt=0, le=1)] = 0.2
    max_rows: Annotated[int, Meta(ge=1, le=MAX_ROWS)] = 2_000
    days: Annotated[int, Meta(ge=1, le=MAX_DAYS)] = 7


_DECODER = msgspec.json.Decoder(ShadowRequest)


def parse_shadow_request(body: bytes) -> ShadowRequest:
    """Parse and validate the body. Raises BodyNotJson, ParameterInvalid naming the field."""
    return bodies.decode_body_strict(_DECODER, body)
