"""`/v1/messages/count_tokens`, as Anthropic's clients call it before they send a message."""

from typing import Any

import msgspec
from litestar import Controller, Request, Response, post
from litestar.di import NamedDependency

from gateway.call.values import Principal
from gateway.inference.endpoints.table import MESSAGES
from gateway.inference.prompt_counts import PromptCounts
from gateway.quota.request_limits import RequestLimits
from gateway.wire import body as bodies
from gateway.wire.messages.requests import CountTokensRequest

_MAX_BODY_BYTES = 8 << 20
# A count has no answer, but the request that is counted must have a limit of its length.
_ANY_MAX_TOKENS = msgspec.Raw(b"1")
_METHOD_HEADER = "x-maas-input-tokens-are"


BODIES = {f"{MESSAGES.path}/count_tokens": CountTokensRequest}


class MessageRoutes(Controller):
    """Requests about messages that call no model; `POST /v1/messages` is a metered call."""

    path = MESSAGES.path
    request_max_body_size = _MAX_BODY_BYTES

    @post("/count_tokens", status_code=200, summary="Count the tokens of a message")
    async def count_tokens(
        self,
        principal: NamedDependency[Principal],
        prompt_counts: NamedDependency[PromptCounts],
        request_limits: NamedDependency[RequestLimits],
        request: Request[Any, Any, Any],
    ) -> Response[dict[str, int]]:
        """Return the tokens of the prompt; counts against the limit of requests, costs nothing."""
        await request_limits.count_request(principal.quotas)
        fields = bodies.decode_fields(await request.body())
        body = bodies.encode_body({"max_tokens": _ANY_MAX_TOKENS, **fields})
        count = await prompt_counts.count(principal, MESSAGES, body)
        return Response(
            {"input_tokens": count.tokens}, headers={_METHOD_HEADER: count.method.value}
        )
