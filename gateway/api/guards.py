"""`/v1/guards`: the rules that check the texts of the account's calls."""

from collections.abc import Mapping
from typing import Any, Literal

import msgspec
from litestar import Controller, Request, delete, get, put
from litestar.di import NamedDependency

from gateway.access.key_permissions import is_restricted
from gateway.api.actors import key_actor
from gateway.call.values import Principal
from gateway.registry.guards import (
    GuardChangeNotAllowed,
    get_policy,
    remove_policy,
    require_guard_models,
    set_policy,
)
from gateway.wire.body import decode_body_strict
from infra.clock import Clock
from infra.database.database import Database
from models.catalog import Catalog
from models.guards.policy import GuardPolicy, parse_policy

_PATH = "/v1/guards"


class GuardRule(msgspec.Struct, omit_defaults=True):
    """A rule: `words` for a list of words, `categories` for personal data, `model` for a model.

    `categories` are `resident_id`, `phone`, `bank_card` and `email`. `model` is a moderation model
    that is asked within `timeout_ms`; `on_failure` says what happens if it does not answer,
    `on_controversial` what happens to a text that it calls controversial.
    """

    kind: Literal["words", "personal_data", "model"]
    action: Literal["refuse", "mask"]
    applies_to: Literal["input", "output", "both"]
    words: list[str] | None = None
    categories: list[str] | None = None
    model: str | None = None
    on_failure: Literal["refuse", "allow"] | None = None
    on_controversial: Literal["refuse", "allow"] | None = None
    timeout_ms: int | None = None


class GuardRequest(msgspec.Struct):
    """The rules of a guard, which replace all earlier ones."""

    rules: list[GuardRule]


_DECODER = msgspec.json.Decoder(GuardRequest)
BODIES: Mapping[str, type[msgspec.Struct]] = {_PATH: GuardRequest}


class GuardRoutes(Controller):
    """The account's own guard. A restricted key can read it, but not change it."""

    path = _PATH

    @get("/", summary="Retrieve the account's guard")
    async def guard(
        self, principal: NamedDependency[Principal], database: NamedDependency[Database]
    ) -> dict[str, Any]:
        """Return the rules, an empty list without a guard."""
        async with database.transaction() as session:
            return guard_json(await get_policy(session, principal.account_id))

    @put("/", summary="Set the account's guard")
    async def set_guard(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        catalog: NamedDependency[Catalog],
        request: Request[Any, Any, Any],
    ) -> dict[str, Any]:
        """Replace the rules; calls follow them within a second.

        Raises GuardInvalid, GuardChangeNotAllowed.
        """
        _require_unrestricted(principal)
        body = decode_body_strict(_DECODER, await request.body())
        policy = parse_policy([msgspec.to_builtins(rule) for rule in body.rules])
        require_guard_models(policy, catalog)
        actor = key_actor(principal, request)
        async with database.transaction() as session:
            await set_policy(session, clock, actor, principal.account_id, policy)
        return guard_json(policy)

    @delete("/", status_code=200, summary="Remove the account's guard")
    async def remove_guard(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        request: Request[Any, Any, Any],
    ) -> dict[str, Any]:
        """Remove all rules; without a guard nothing changes. Raises GuardChangeNotAllowed."""
        _require_unrestricted(principal)
        actor = key_actor(principal, request)
        async with database.transaction() as session:
            removed = await remove_policy(session, clock, actor, principal.account_id)
        return {"object": "guard.deleted", "deleted": removed}


def guard_json(policy: GuardPolicy | None) -> dict[str, Any]:
    """Return a guard as the API and the CLI show it."""
    return {"object": "guard", "rules": [] if policy is None else policy.to_json()}


def _require_unrestricted(principal: Principal) -> None:
    """Raise GuardChangeNotAllowed if the key is restricted to models, tiers or permissions."""
    if is_restricted(principal):
        raise GuardChangeNotAllowed(
            "This API key is restricted to some models, service tiers or permissions, so it cannot "
            "change the account's guard."
        )
