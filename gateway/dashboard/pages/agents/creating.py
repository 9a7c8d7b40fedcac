"""A new agent in few steps: template, asset, then a form or its definition as TOML."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency, Provide
from litestar.params import FromQuery

from gateway.agents.definitions.checking import check
from gateway.agents.definitions.document import MAX_CHARACTERS, read_fields, read_toml
from gateway.agents.definitions.templates import AgentTemplate, read_templates
from gateway.agents.definitions.toml_text import toml_text
from gateway.agents.store.agents import create_agent
from gateway.dashboard.errors import PageNotFound
from gateway.dashboard.forms import FormState, read_form_fields
from gateway.dashboard.page_request import UNPROCESSABLE
from gateway.dashboard.pages.access.active_keys import key_choices, list_active_keys
from gateway.dashboard.pages.agents.common import (
    AGENTS_URL,
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
from gateway.dashboard.pages.agents.form import document_of_form, field_of_error, form_values
from gateway.dashboard.pages.agents.form_page import render_form
from gateway.dashboard.pages.agents.form_sections.rows import ROW_CHANGE, change_rows
from gateway.identity.roles import Permission
from gateway.plant.store.queries import AssetFilter, find_asset, list_assets
from gateway.tables.agents import Agent
from gateway.tables.plant import PlantAsset
from infra.errors import AppError

NEW_URL = f"{AGENTS_URL}/new"
_FOUND = 20


class NewAgentPages(Controller):
    """Handlers of `/dashboard/agents/new`."""

    path = "/agents/new"
    dependencies = {"agents": Provide(provide_agents)}  # noqa: RUF012  # Litestar's

    @get("/", name="dashboard:new-agent", permission=Permission.CALL)
    async def show(
        self,
        agents: NamedDependency[AgentPage],
        template: FromQuery[str] = "",
        asset: FromQuery[str] = "",
        q: FromQuery[str] = "",
    ) -> Response[Any]:
        """Show the next step: templates, assets, or the form."""
        templates = read_templates()
        if template not in templates:
            return agents.page.render(
                "agents/new.html", step=1, templates=templates.values(), chosen=asset, url=_url
            )
        if not asset:
            return await _render_assets(agents, templates[template], q.strip())
        row = await _find_asset(agents, asset)
        document = _document(agents, templates[template], row)
        values = {**form_values(document), "template": template}
        return await _render(agents, templates[template], row, FormState(values))

    @post("/", permission=Permission.CALL, request_max_body_size=TEXT_FORM_BYTES)
    async def create(
        self, agents: NamedDependency[AgentPage], request: Request[Any, Any, Any]
    ) -> Response[Any]:
        """Create the agent of the form, paused; adding a row to the form creates nothing."""
        fields = await read_form_fields(request)
        template = _template(fields)
        row = await _find_asset(agents, fields.get("asset", ""))
        document = _document(agents, template, row)
        if ROW_CHANGE in fields:
            form = FormState(change_rows(fields, fields[ROW_CHANGE]))
            return await _render(agents, template, row, form)
        try:
            made = await _create(
                agents, read_fields(document_of_form(document, fields)), fields.get("key", "")
            )
        except AppError as error:
            if error.status >= 500 or error.status == 404:
                raise
            field = field_of_error(document, fields, error.param)
            form = form_with_error(agents.page, fields, error, field)
            return await _render(agents, template, row, form)
        return agents.page.redirect(agent_url(made.id))

    @get("/definition", name="dashboard:new-agent-definition", permission=Permission.CALL)
    async def show_text(
        self,
        agents: NamedDependency[AgentPage],
        template: FromQuery[str] = "",
        asset: FromQuery[str] = "",
    ) -> Response[str]:
        """Show the definition of a new agent as TOML."""
        chosen = _template({"template": template})
        row = await _find_asset(agents, asset)
        text = toml_text(_document(agents, chosen, row))
        return await _render_text(agents, {"definition": text}, None)

    @post("/definition", permission=Permission.CALL, request_max_body_size=TEXT_FORM_BYTES)
    async def create_from_text(
        self, agents: NamedDependency[AgentPage], request: Request[Any, Any, Any]
    ) -> Response[Any]:
        """Create the agent of a definition in TOML, paused."""
        fields = await read_form_fields(request, MAX_CHARACTERS + 1)
        text = fields.get("definition", "")
        try:
            made = await _create(agents, read_toml(text), fields.get("key", ""))
        except AppError as error:
            if error.status >= 500 or isinstance(error, PageNotFound):
                raise
            return await _render_text(agents, fields, text_error(agents.page, text, error))
        return agents.page.redirect(agent_url(made.id))


async def _create(agents: AgentPage, document: Any, key: str) -> Agent:
    """Create the agent of a document. Raises AgentDefinitionInvalid, PlantNodeNotFound."""
    definition = check(document)
    key_id = await agents.key_id(key)
    async with agents.database.transaction() as session:
        return await create_agent(agents.change(session), key_id, definition, agents.most)


async def _find_asset(agents: AgentPage, asset: str) -> PlantAsset:
    """Return the chosen asset. Raises PlantNodeNotFound."""
    async with agents.database.transaction() as session:
        return await find_asset(session, agents.page.account_id, asset)


def _template(fields: Mapping[str, str]) -> AgentTemplate:
    """Return the chosen template. Raises PageNotFound."""
    template = read_templates().get(fields.get("template", ""))
    if template is None:
        raise PageNotFound("There is no such template.")
    return template


def _document(agents: AgentPage, template: AgentTemplate, asset: PlantAsset) -> dict[str, Any]:
    """Return the document of a template for an asset, named after both."""
    title = template.titles.get(agents.page.language, template.id)
    return template.for_asset(asset.code, f"{title} · {asset.name}"[:120])


async def _render_assets(agents: AgentPage, template: AgentTemplate, q: str) -> Response[str]:
    """Render the choice of the asset: those that a search finds, or the first ones."""
    wanted = AssetFilter(text=q or None)
    async with agents.database.transaction() as session:
        found = await list_assets(session, agents.page.account_id, wanted, _FOUND + 1, None)
    return agents.page.render(
        "agents/new.html",
        step=2,
        of_template=template,
        q=q,
        assets=found[:_FOUND],
        has_more=len(found) > _FOUND,
        url=_url,
    )


async def _render(
    agents: AgentPage, template: AgentTemplate, asset: PlantAsset, form: FormState
) -> Response[str]:
    """Render the form of a new agent."""
    document = _document(agents, template, asset)
    return await render_form(
        agents,
        document,
        asset,
        form,
        agent=None,
        of_template=template,
        action=NEW_URL,
        text_url=_url(template.id, asset.code, "/definition"),
    )


async def _render_text(
    agents: AgentPage, fields: Mapping[str, str], error: TextError | None
) -> Response[str]:
    """Render the definition of a new agent as TOML."""
    keys = await list_active_keys(agents.page, agents.database, agents.clock)
    return agents.page.render(
        "agents/definition.html",
        status=200 if error is None else UNPROCESSABLE,
        agent=None,
        agent_name="",
        action=f"{NEW_URL}/definition",
        back=NEW_URL,
        text=fields.get("definition", ""),
        key=fields.get("key", ""),
        version="",
        changes=[],
        keys=key_choices(keys),
        error=error,
    )


def _url(template: str = "", asset: str = "", below: str = "") -> str:
    """Return the address of a step with what was chosen."""
    chosen = {"template": template, "asset": asset}
    return f"{NEW_URL}{below}?{urlencode({name: one for name, one in chosen.items() if one})}"
