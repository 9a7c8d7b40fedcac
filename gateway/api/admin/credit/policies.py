"""`/v1/admin/credit_policies`: list, retrieve, preview and publish credit policies."""

from collections.abc import Mapping
from typing import Any

import msgspec
from litestar import Controller, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery
from sqlalchemy.ext.asyncio import AsyncSession

from billing.credit.errors import CreditPolicyInvalid
from billing.credit.policies import find_policy_version, list_policy_versions, load_policy
from billing.credit.policy import describe_rules
from billing.credit.policy_file import parse_policy_file
from billing.credit.publication import preview_policy
from billing.credit.views import policy_to_json
from gateway.access.admin_scopes import AdminScope
from gateway.api.admin.context import AdminRequest
from gateway.operations.credit import publish_credit_policy
from gateway.operations.credit_views import policy_publication_json
from gateway.operations.parsing import parse_instant


class CreditPolicyFile(msgspec.Struct):
    """A policy file (TOML). It applies from `effective_from` (ISO 8601) on, by default from now."""

    file: str
    effective_from: str | None = None


_PATH = "/v1/admin/credit_policies"
BODIES: Mapping[str, type[msgspec.Struct]] = {
    _PATH: CreditPolicyFile,
    f"{_PATH}/preview": CreditPolicyFile,
}
_FILE = msgspec.json.Decoder(CreditPolicyFile)


class AdminCreditPolicyRoutes(Controller):
    """Credit policies. A version never changes."""

    path = "/credit_policies"

    @get("/", summary="List all versions of all policies", admin_scope=AdminScope.ACCOUNTS_READ)
    async def policies(self, admin: NamedDependency[AdminRequest]) -> dict[str, Any]:
        """Return each version, by policy, currency and number."""
        data = [policy_to_json(row) for row in await admin.read(list_policy_versions)]
        return {"object": "list", "data": data, "has_more": False}

    @get("/{policy:str}", summary="Retrieve a credit policy", admin_scope=AdminScope.ACCOUNTS_READ)
    async def policy(
        self,
        admin: NamedDependency[AdminRequest],
        policy: FromPath[str],
        currency: FromQuery[str | None] = None,
        version: FromQuery[int | None] = None,
    ) -> dict[str, Any]:
        """Return a version with its rules, by default the newest in the platform's currency.

        Amounts of rules are minor units, shares parts per million.
        """
        code = (currency or admin.settings.currency).upper()

        async def load(session: AsyncSession) -> dict[str, Any]:
            """Return the version as JSON."""
            row = await find_policy_version(session, policy, code, version)
            rules = describe_rules(await load_policy(session, row.id))
            return {**policy_to_json(row), "rules": rules}

        return await admin.read(load)

    @post(
        "/preview",
        status_code=200,
        summary="Validate a policy file; show the accounts with the policy and their new limits",
        admin_scope=AdminScope.CREDIT_WRITE,
    )
    async def preview(self, admin: NamedDependency[AdminRequest]) -> dict[str, Any]:
        """Return the limits by the new rules of up to 100 accounts, without exposure limits."""
        policy, now = parse_policy_file(admin.decode(_FILE).file), admin.clock.now()
        found = await admin.read(lambda session: preview_policy(session, policy, now))
        return policy_publication_json(found)

    @post(
        "/",
        status_code=200,
        summary="Publish a policy file as the next version of the policy",
        admin_scope=AdminScope.CREDIT_WRITE,
    )
    async def publish(self, admin_change: NamedDependency[AdminRequest]) -> Response[bytes]:
        """Publish a policy; equal rules without `effective_from` create no version."""
        body = admin_change.decode(_FILE)
        text = body.effective_from
        starts = None if text is None else parse_instant(text, CreditPolicyInvalid)

        async def apply(session: AsyncSession) -> dict[str, Any]:
            """Publish the policy and return the version."""
            place = (session, admin_change.clock, admin_change.actor)
            return policy_to_json(await publish_credit_policy(*place, body.file, starts))

        return await admin_change.change(apply)
