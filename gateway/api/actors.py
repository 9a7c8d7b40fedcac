"""The actor of a change through the API, for the audit log: API key and client address."""

from typing import Any

from litestar import Request

from gateway.access.api_keys import PREFIX as KEY_PREFIX
from gateway.call.values import Principal
from gateway.identity.audit_log import Actor
from infra import ids


def key_actor(principal: Principal, request: Request[Any, Any, Any]) -> Actor:
    """Return the actor of a request: its API key, from the address of the client."""
    address = "" if request.client is None else request.client.host
    return Actor.from_api_key(ids.format_id(KEY_PREFIX, principal.key_id), address)
