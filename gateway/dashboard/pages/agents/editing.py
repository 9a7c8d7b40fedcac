"""Change an agent by form or as TOML; a change by somebody else meanwhile loses no input."""

from collections.abc import Mapping
from typing import Any

from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath

from billing.tables import ApiKey
from gateway.agents.definitions.checking import check
from gateway.agents.definitions.document import (
    MAX_CHARACTERS,
    AgentDocument,
    read_fields,
    read_toml,
)
from gateway.agents.definitions.toml_text import document_fields, toml_text
from gateway.agents.errors import AgentVersionConflict
from gateway.agents.store.agents import (
    change_definition,
    find_agent,
    list_versions,
    read_definition,
    set_key,
)
from gateway.dashboard.errors import PageNotFound
from gateway.dashboard.forms import FormState, read_form_fields
from gateway.dashboard.page_request import UNPROCESSABLE
from gateway.dashboard.pages.access.active_keys import key_choices, list_active_keys
from gateway.dashboard.pages.agents.common import (
    TEXT_FORM_BYTES,
    AgentPage,
    agent_url,
    provide_agents,
)
from gateway.dashboard.pages.agents.definition_errors import (
    TextError,
    form_with_error,
    text_error,
)
from gateway.dashboard.pages.agents.differences import FieldChange, differences
from gateway.dashboard.pages.agents.form import (
    document_of_form,
    field_of_error,
    form_values,
    values_after_conflict,
)
from gateway.dashboard.pages.agents.form_page import render_form
from gateway.dashboard.pages.agents.form_sections.rows import ROW_CHANGE, change_rows
from gateway.identity.roles import Permission
from gateway.tables.agents import Agent
from gateway.tables.plant import PlantAsset
from infra.errors import AppError


class AgentEditPages(Controller):
    """Handlers of `/dashboard/agents/…/edit` and `…/definition`."""

    path = "/agents/{agent:str}"
    dependencies = {"agents": Provide(provide_agents)}  # noqa: RUF012  # Litestar's

    @get("/edit", name="dashboard:agent-edit", permission=Permission.CALL)
    async def show(self, agents: NamedDependency[AgentPage], agent: FromPath[str]) -> Response[Any]:
        """Show the form of an agent."""
        row = await _load(agents, agent)
        values = form_values(_document(row)) | {"version": str(row.version), "key": ""}
        return await _render(agents, row, FormState(values), [])

    @post("/edit", permission=Permission.CALL, request_max_body_size=TEXT_FORM_BYTES)
    async def change(
        self,
        agents: NamedDependency[AgentPage],
        request: Request[Any, Any, Any],
        agent: FromPath[str],
    ) -> Response[Any]:
        """Make what the form says the next version; adding a row to the form changes nothing."""
        fields, row = await read_form_fields(request), await _load(agents, agent)
        document = _document(row)
        if ROW_CHANGE in fields:
            form = FormState(change_rows(fields, fields[ROW_CHANGE]))
            return await _render(agents, row, form, [])
        try:
            _require_version(row, fields)
            await _save(agents, row, read_fields(document_of_form(document, fields)), fields)
        except AgentVersionConflict as error:
            row = await _load(agents, agent)
            changes = await _changes_since(agents, row, _version(fields))
            kept = {**values_after_conflict(_document(row), fields), "version": str(row.version)}
            return await _render(
                agents, row, form_with_error(agents.page, kept, error, ""), changes
            )
        except AppError as error:
            if error.status >= 500 or isinstance(error, PageNotFound):
                raise
            field = field_of_error(document, fields, error.param)
            form = form_with_error(agents.page, fields, error, field)
            return await _render(agents, row, form, [])
        return agents.page.redirect(agent_url(row.id))

    @get("/definition", name="dashboard:agent-definition", permission=Permission.CALL)
    async def show_text(
        self, agents: NamedDependency[AgentPage], agent: FromPath[str]
    ) -> Response[str]:
        """Show the definition of an agent as TOML."""
        row = await _load(agents, agent)
        fields = {"definition": toml_text(_document(row)), "version": str(row.version)}
        return await _render_text(agents, row, fields, None, [])

    @post("/definition", permission=Permission.CALL, request_max_body_size=TEXT_FORM_BYTES)
    async def change_text(
        self,
        agents: NamedDependency[AgentPage],
        request: Request[Any, Any, Any],
        agent: FromPath[str],
    ) -> Response[Any]:
        """Make a definition in TOML the next version."""
        fields = await read_form_fields(request, MAX_CHARACTERS + 1)
        row, text = await _load(agents, agent), fields.get("definition", "")
        changes: list[FieldChange] = []
        try:
            _require_version(row, fields)
            await _save(agents, row, read_toml(text), fields)
        except AppError as error:
            if error.status >= 500 or isinstance(error, PageNotFound):
                raise
            if isinstance(error, AgentVersionConflict):
                row = await _load(agents, agent)
                changes = await _changes_since(agents, row, _version(fields))
                fields = {**fields, "version": str(row.version)}
            wrong = text_error(agents.page, text, error)
            return await _render_text(agents, row, fields, wrong, changes)
        return agents.page.redirect(agent_url(row.id))


async def _load(agents: AgentPage, agent: str) -> Agent:
    """Return the agent of a page. Raises AgentNotFound."""
    async with agents.database.transaction() as session:
        return await find_agent(session, agents.page.account_id, agent)


async def _save(
    agents: AgentPage, row: Agent, document: AgentDocument, fields: Mapping[str, str]
) -> None:
    """Make a document the next version, and the chosen key the one that pays.

    Raises AgentDefinitionInvalid, AgentVersionConflict, PlantNodeNotFound, PageNotFound.
    """
    definition, agent = check(document), agent_url(row.id).rpartition("/")[2]
    key_id = await agents.key_id(fields["key"]) if fields.get("key") else None
    async with agents.database.transaction() as session:
        change = agents.change(session)
        if definition != read_definition(row.definition) or _version(fields) != row.version:
            await change_definition(change, agent, definition, _version(fields))
        if key_id is not None:
            changed = await find_agent(session, row.account_id, agent, is_locked=True)
            await set_key(change, changed, key_id)


def _require_version(row: Agent, fields: Mapping[str, str]) -> None:
    """Raise AgentVersionConflict if the form was made of another version."""
    if _version(fields) != row.version:
        raise AgentVersionConflict(f"The agent has version {row.version} by now.")


def _version(fields: Mapping[str, str]) -> int:
    """Return the version that the form was made of; 0 for none, which is no version."""
    text = fields.get("version", "")
    return int(text) if text.isdecimal() and len(text) < 9 else 0


async def _changes_since(agents: AgentPage, row: Agent, version: int) -> list[FieldChange]:
    """Return what others changed since a version."""
    async with agents.database.transaction() as session:
        versions = await list_versions(session, row.account_id, row.id)
    before = [one.definition for one in versions if one.version == version]
    return differences(before[0], row.definition) if before else []


def _document(row: Agent) -> dict[str, Any]:
    """Return the fields of the document of an agent."""
    return document_fields(read_definition(row.definition))


async def _load_key(agents: AgentPage, row: Agent) -> tuple[str, list[tuple[str, str]]]:
    """Return the name of the key that pays, and the active keys as choices."""
    keys = await list_active_keys(agents.page, agents.database, agents.clock)
    async with agents.database.transaction() as session:
        key = await session.get_one(ApiKey, row.key_id)
    return key.name, key_choices(keys)


async def _render(
    agents: AgentPage, row: Agent, form: FormState, changes: list[FieldChange]
) -> Response[str]:
    """Render the form. changes: those that others made meanwhile."""
    async with agents.database.transaction() as session:
        asset = await session.get_one(PlantAsset, row.asset_id)
    name, _ = await _load_key(agents, row)
    return await render_form(
        agents,
        _document(row),
        asset,
        form,
        agent=row,
        of_template=None,
        action=f"{agent_url(row.id)}/edit",
        text_url=f"{agent_url(row.id)}/definition",
        key_name=name,
        changes=changes,
    )


async def _render_text(
    agents: AgentPage,
    row: Agent,
    fields: Mapping[str, str],
    error: TextError | None,
    changes: list[FieldChange],
) -> Response[str]:
    """Render the definition as TOML."""
    _, keys = await _load_key(agents, row)
    return agents.page.render(
        "agents/definition.html",
        status=200 if error is None else UNPROCESSABLE,
        agent=row,
        agent_name=row.name,
        action=f"{agent_url(row.id)}/definition",
        back=agent_url(row.id),
        text=fields.get("definition", ""),
        key="",
        version=fields.get("version", ""),
        changes=changes,
        keys=keys,
        error=error,
    )
