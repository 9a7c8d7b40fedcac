"""Learned warning rules: list and new rule, versions with their evaluation, training and use."""

from collections.abc import Awaitable, Callable
from typing import Any

from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath

from gateway.agents.definitions.warning import warning_fields
from gateway.agents.store.agents import AgentChange
from gateway.agents.warnings.lifecycle import activate, roll_back
from gateway.agents.warnings.rows import (
    create_rule,
    delete_rule,
    find_rule,
    list_rules,
    list_versions,
    public_id,
    queue_training,
    settings_of,
)
from gateway.agents.warnings.settings import MIN_EVENTS, step_of
from gateway.agents.warnings.views import version_json
from gateway.dashboard.forms import FormState, read_form_fields, with_errors
from gateway.dashboard.page_request import UNPROCESSABLE
from gateway.dashboard.pages.agents.common import (
    AGENTS_URL,
    AgentPage,
    load_account,
    load_names,
    provide_agents,
)
from gateway.dashboard.pages.agents.views import nano_of
from gateway.dashboard.pages.agents.warnings.forms import (
    DEFAULTS,
    rule_document,
    training_document,
)
from gateway.identity.roles import Permission
from gateway.tables.plant import PlantAsset
from infra.errors import AppError

WARNINGS_URL = f"{AGENTS_URL}/warnings"
_Change = Callable[[AgentChange], Awaitable[object]]


class LearnedWarningPages(Controller):
    """Handlers of `/dashboard/agents/warnings`."""

    path = "/agents/warnings"
    dependencies = {"agents": Provide(provide_agents)}  # noqa: RUF012  # Litestar's

    @get("/", name="dashboard:learned-warnings")
    async def rules(self, agents: NamedDependency[AgentPage]) -> Response[str]:
        """List the rules, with a form for a new one."""
        return await _render_list(agents, FormState(values=dict(DEFAULTS)))

    @post("/", permission=Permission.CALL)
    async def create(
        self, agents: NamedDependency[AgentPage], request: Request[Any, Any, Any]
    ) -> Response[Any]:
        """Create a rule and show it."""
        fields = await read_form_fields(request)
        try:
            async with agents.database.transaction() as session:
                row = await create_rule(agents.change(session), rule_document(fields))
        except AppError as error:
            if error.status >= 500:
                raise
            form = with_errors(agents.page, {**DEFAULTS, **fields}, error)
            return await _render_list(agents, form, error)
        return agents.page.redirect(f"{WARNINGS_URL}/{public_id(row)}")

    @get("/{rule:str}", name="dashboard:learned-warning")
    async def rule(self, agents: NamedDependency[AgentPage], rule: FromPath[str]) -> Response[str]:
        """Show a rule with its versions."""
        return await _render_rule(agents, rule, FormState())

    @post("/{rule:str}/train", permission=Permission.CALL)
    async def train(
        self,
        agents: NamedDependency[AgentPage],
        request: Request[Any, Any, Any],
        rule: FromPath[str],
    ) -> Response[Any]:
        """Queue a training."""
        fields = await read_form_fields(request)

        async def change(made: AgentChange) -> None:
            """Queue the training; times without an offset are in the account's time zone."""
            zone, _ = await load_account(made.session, made.account_id)
            await queue_training(made, rule, training_document(fields, zone))

        return await _changed(agents, rule, change, fields)

    @post("/{rule:str}/versions/{version:int}/activate", permission=Permission.CALL)
    async def use(
        self,
        agents: NamedDependency[AgentPage],
        request: Request[Any, Any, Any],
        rule: FromPath[str],
        version: FromPath[int],
    ) -> Response[Any]:
        """Let agents use a version; `accept` although it is not shown to be better."""
        accept = (await read_form_fields(request)).get("accept") == "yes"
        return await _changed(agents, rule, lambda made: activate(made, rule, version, accept))

    @post("/{rule:str}/rollback", permission=Permission.CALL)
    async def rollback(
        self, agents: NamedDependency[AgentPage], rule: FromPath[str]
    ) -> Response[Any]:
        """Take back the version in use."""
        return await _changed(agents, rule, lambda made: roll_back(made, rule))

    @post("/{rule:str}/delete", permission=Permission.CALL)
    async def remove(
        self, agents: NamedDependency[AgentPage], rule: FromPath[str]
    ) -> Response[Any]:
        """Delete a rule and show the list."""
        async with agents.database.transaction() as session:
            await delete_rule(agents.change(session), rule)
        return agents.page.redirect(WARNINGS_URL)


async def _changed(
    agents: AgentPage, rule: str, change: _Change, fields: dict[str, str] | None = None
) -> Response[Any]:
    """Make a change and show the rule again, with the error if it was refused."""
    try:
        async with agents.database.transaction() as session:
            await change(agents.change(session))
    except AppError as error:
        if error.status >= 500 or error.status == 404:
            raise
        return await _render_rule(
            agents, rule, with_errors(agents.page, fields or {}, error), error
        )
    return agents.page.redirect(f"{WARNINGS_URL}/{rule}")


async def _render_list(
    agents: AgentPage, form: FormState, error: AppError | None = None
) -> Response[str]:
    """Render the list; with an error, the sent form again."""
    page = agents.page
    async with agents.database.transaction() as session:
        rows = await list_rules(session, page.account_id)
        _, currency = await load_account(session, page.account_id)
    return page.render(
        "agents/warnings.html",
        status=200 if error is None else UNPROCESSABLE,
        rows=[(one, public_id(one), settings_of(one)) for one in rows],
        form=form,
        reason="" if error is None else error.message,
        currency=currency,
        may=agents.may_change,
        nano=nano_of,
        url=WARNINGS_URL,
    )


async def _render_rule(
    agents: AgentPage, rule: str, form: FormState, error: AppError | None = None
) -> Response[str]:
    """Render a rule; with an error, what was asked could not be done."""
    page = agents.page
    async with agents.database.transaction() as session:
        row = await find_rule(session, page.account_id, rule)
        asset = await session.get_one(PlantAsset, row.asset_id)
        versions = await list_versions(session, row)
        zone, currency = await load_account(session, page.account_id)
        names = await load_names(session, page.account_id)
    return page.render(
        "agents/warning.html",
        status=200 if error is None else UNPROCESSABLE,
        row=row,
        asset_name=asset.name,
        settings=settings_of(row),
        section=warning_fields(step_of(row.name, settings_of(row)))["warning"],
        versions=[(one, version_json(row, one)["report"]) for one in versions],
        names=names,
        form=form,
        reason="" if error is None else error.message,
        zone=zone,
        currency=currency,
        may=agents.may_change,
        nano=nano_of,
        least=MIN_EVENTS,
        url=f"{WARNINGS_URL}/{public_id(row)}",
    )
