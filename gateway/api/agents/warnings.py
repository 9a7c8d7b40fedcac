"""`/v1/agents/warnings`: learned warning rules, their training, versions, use and roll-back."""

from collections.abc import Mapping
from typing import Any

import msgspec
from litestar import Controller, Request, Response, delete, get, post
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath

from gateway.agents.store.owners import AgentOwner
from gateway.agents.warnings.errors import LearnedWarningNotReady
from gateway.agents.warnings.lifecycle import activate, roll_back
from gateway.agents.warnings.rows import (
    create_rule,
    delete_rule,
    find_rule,
    find_version,
    list_rules,
    list_versions,
    queue_training,
)
from gateway.agents.warnings.settings import TrainingDocument, WarningRuleDocument
from gateway.agents.warnings.views import rule_json, version_json
from gateway.api.agents.bodies import PATH
from gateway.api.agents.editing import AgentEditing, provide_agent_editing
from gateway.call.values import Principal
from gateway.wire.body import decode_body_strict
from infra.database.database import Database

_PATH = f"{PATH}/warnings"


class ActivateRequest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """`accept`: use the version although it is not shown to cost less than a fixed limit."""

    accept: bool = False


_NEW = msgspec.json.Decoder(WarningRuleDocument)
_TRAIN = msgspec.json.Decoder(TrainingDocument)
_ACTIVATE = msgspec.json.Decoder(ActivateRequest)
BODIES: Mapping[str, type[msgspec.Struct]] = {
    _PATH: WarningRuleDocument,
    f"{_PATH}/{{rule}}/train": TrainingDocument,
    f"{_PATH}/{{rule}}/versions/{{version}}/activate": ActivateRequest,
}


class LearnedWarningRoutes(Controller):
    """Learned warning rules of the account."""

    path = _PATH
    dependencies = {"editing": Provide(provide_agent_editing)}  # noqa: RUF012  # Litestar's

    @get("/", summary="List learned warning rules")
    async def rules(
        self, principal: NamedDependency[Principal], database: NamedDependency[Database]
    ) -> dict[str, Any]:
        """Return the account's rules by name, without their versions."""
        async with database.transaction() as session:
            rows = await list_rules(session, principal.account_id)
        return {"object": "list", "data": [rule_json(one) for one in rows], "has_more": False}

    @post("/", status_code=200, summary="Create a learned warning rule")
    async def create(
        self, editing: NamedDependency[AgentEditing], request: Request[Any, Any, Any]
    ) -> dict[str, Any]:
        """Create a rule for points of an asset; it warns of nothing before a version is used."""
        body = await request.body()

        async def edit(owner: AgentOwner) -> dict[str, Any]:
            """Create the rule."""
            return rule_json(await create_rule(owner.change, decode_body_strict(_NEW, body)))

        return await editing.apply(edit)

    @get("/{rule:str}", summary="Retrieve a learned warning rule with its versions")
    async def rule(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        rule: FromPath[str],
    ) -> dict[str, Any]:
        """Return a rule, by id or name, with its newest 20 versions and their evaluation."""
        async with database.transaction() as session:
            row = await find_rule(session, principal.account_id, rule)
            return rule_json(row, await list_versions(session, row))

    @delete("/{rule:str}", status_code=200, summary="Delete a learned warning rule")
    async def remove(
        self, editing: NamedDependency[AgentEditing], rule: FromPath[str]
    ) -> dict[str, Any]:
        """Delete a rule: agents that name it decide without it."""

        async def edit(owner: AgentOwner) -> dict[str, Any]:
            """Delete the rule."""
            return {**rule_json(await delete_rule(owner.change, rule)), "deleted": True}

        return await editing.apply(edit)

    @post("/{rule:str}/train", status_code=200, summary="Train a version of a warning rule")
    async def train(
        self,
        editing: NamedDependency[AgentEditing],
        request: Request[Any, Any, Any],
        rule: FromPath[str],
    ) -> dict[str, Any]:
        """Queue a training on stored readings and past events; agents do not use it yet."""
        body = await request.body() or b"{}"

        async def edit(owner: AgentOwner) -> dict[str, Any]:
            """Queue the training."""
            document = decode_body_strict(_TRAIN, body)
            version = await queue_training(owner.change, rule, document)
            row = await find_rule(owner.change.session, owner.change.account_id, rule)
            return version_json(row, version)

        return await editing.apply(edit)

    @get("/{rule:str}/versions/{version:int}", summary="Retrieve a version of a warning rule")
    async def version(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        rule: FromPath[str],
        version: FromPath[int],
    ) -> dict[str, Any]:
        """Return a version with its status and evaluation."""
        async with database.transaction() as session:
            row = await find_rule(session, principal.account_id, rule)
            return version_json(row, await find_version(session, row, version))

    @get("/{rule:str}/versions/{version:int}/file", summary="Download a version's file")
    async def file(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        rule: FromPath[str],
        version: FromPath[int],
    ) -> Response[bytes]:
        """Return the file, JSON, as it is stored; its SHA-256 is in the version."""
        async with database.transaction() as session:
            row = await find_rule(session, principal.account_id, rule)
            found = await find_version(session, row, version)
        if found.file is None:
            raise LearnedWarningNotReady(f"Version {version} of the warning rule is not trained.")
        return Response(found.file, media_type="application/json")

    @post(
        "/{rule:str}/versions/{version:int}/activate",
        status_code=200,
        summary="Let agents use a version of a warning rule",
    )
    async def use(
        self,
        editing: NamedDependency[AgentEditing],
        request: Request[Any, Any, Any],
        rule: FromPath[str],
        version: FromPath[int],
    ) -> dict[str, Any]:
        """Use a version from the next tick on, if it is shown to be better, or with `accept`."""
        body = await request.body() or b"{}"

        async def edit(owner: AgentOwner) -> dict[str, Any]:
            """Use the version."""
            asked = decode_body_strict(_ACTIVATE, body)
            found = await activate(owner.change, rule, version, asked.accept)
            row = await find_rule(owner.change.session, owner.change.account_id, rule)
            return version_json(row, found)

        return await editing.apply(edit)

    @post("/{rule:str}/rollback", status_code=200, summary="Take back the version in use")
    async def rollback(
        self, editing: NamedDependency[AgentEditing], rule: FromPath[str]
    ) -> dict[str, Any]:
        """Use the version before it again; without one, agents decide without the rule."""

        async def edit(owner: AgentOwner) -> dict[str, Any]:
            """Take the version back."""
            found = await roll_back(owner.change, rule)
            row = await find_rule(owner.change.session, owner.change.account_id, rule)
            return version_json(row, found)

        return await editing.apply(edit)
