"""`/v1/organization/projects`: list, create, change and archive projects."""

from collections.abc import Mapping
from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery
from msgspec import UNSET, UnsetType
from sqlalchemy.ext.asyncio import AsyncSession

from billing.metering.budget_periods import BudgetPeriod
from billing.metering.project_ids import PROJECT_ID_PREFIX
from gateway.api.actors import key_actor
from gateway.api.idempotency import IdempotencyKey, idempotent_response
from gateway.api.pagination import PageLimit, bidirectional_page_json, parse_cursor
from gateway.api.projects.authorization import require_project_admin
from gateway.call.values import Principal
from gateway.identity.audit_log import Actor
from gateway.projects.budgets import (
    BUDGET_NAMES,
    change_alert_percentages,
    change_budgets,
    parse_budget,
    parse_percentages,
)
from gateway.projects.projects import (
    archive_project,
    create_project,
    get_project,
    list_projects,
    parse_project_id,
    rename_project,
)
from gateway.projects.views import load_project_views
from gateway.wire.body import decode_body_strict
from infra.clock import Clock
from infra.database.database import Database

PROJECTS_PATH = "/v1/organization/projects"
Amount = Annotated[str, msgspec.Meta(max_length=40)]


class BudgetRequest(msgspec.Struct, forbid_unknown_fields=True):
    """Budgets to change, as decimal text in the account's currency; null removes one.

    Omitted fields are unchanged. `alert_percentages` null are those of the account.
    """

    daily: Amount | UnsetType | None = UNSET
    monthly: Amount | UnsetType | None = UNSET
    total: Amount | UnsetType | None = UNSET
    alert_percentages: list[int] | UnsetType | None = UNSET

    def amounts(self) -> dict[BudgetPeriod, int | None]:
        """Return the budgets to change in nano-units. Raises BudgetInvalid."""
        texts = {name: getattr(self, name) for name in BUDGET_NAMES}
        return {
            BUDGET_NAMES[name]: parse_budget(name, text)
            for name, text in texts.items()
            if text is not UNSET
        }


class ProjectRequest(msgspec.Struct):
    """The name of a new project, and its budget."""

    name: str
    budget: BudgetRequest | None = None


class ProjectChangeRequest(msgspec.Struct):
    """A new name or budget; omitted fields are unchanged."""

    name: str | UnsetType = UNSET
    budget: BudgetRequest | UnsetType = UNSET


_NEW, _CHANGE = msgspec.json.Decoder(ProjectRequest), msgspec.json.Decoder(ProjectChangeRequest)
BODIES: Mapping[str, type[msgspec.Struct]] = {
    PROJECTS_PATH: ProjectRequest,
    f"{PROJECTS_PATH}/{{project}}": ProjectChangeRequest,
}


class ProjectRoutes(Controller):
    """The account's projects, in OpenAI's shape."""

    path = PROJECTS_PATH

    @get("/", summary="List projects, the default project first")
    async def projects(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        limit: PageLimit = 20,
        after: FromQuery[str | None] = None,
        include_archived: FromQuery[bool] = False,
    ) -> dict[str, Any]:
        """Return a page of the account's projects with their budgets."""
        cursor, account_id = parse_cursor(PROJECT_ID_PREFIX, after), principal.account_id
        async with database.transaction() as session:
            await require_project_admin(session, principal)
            rows = await list_projects(
                session,
                account_id,
                include_archived=include_archived,
                limit=limit + 1,
                after=cursor,
            )
            views = await load_project_views(session, account_id, rows, clock.now())
        return bidirectional_page_json(views, limit, lambda view: view.to_json(), backwards=False)

    @post("/", status_code=200, summary="Create a project")
    async def create(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        request: Request[Any, Any, Any],
        idempotency_key: IdempotencyKey = None,
    ) -> Response[bytes]:
        """Create a project and return it."""
        body = decode_body_strict(_NEW, await request.body())
        actor, account_id = key_actor(principal, request), principal.account_id

        async def change(session: AsyncSession) -> dict[str, Any]:
            """Create the project in the transaction of the idempotency key."""
            await require_project_admin(session, principal)
            row = await create_project(session, clock, actor, account_id, body.name)
            if body.budget is not None:
                await _change_budget(session, clock, actor, account_id, row.id, body.budget)
            return await _render(session, clock, account_id, row.id)

        return await idempotent_response(database, principal, request, idempotency_key, change)

    @get("/{project:str}", summary="Retrieve a project with its budget")
    async def project(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        project: FromPath[str],
    ) -> dict[str, Any]:
        """Return one of the account's projects, archived or not."""
        project_id = parse_project_id(project)
        async with database.transaction() as session:
            await require_project_admin(session, principal)
            return await _render(session, clock, principal.account_id, project_id)

    @post("/{project:str}", status_code=200, summary="Change the name or budget of a project")
    async def change(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        request: Request[Any, Any, Any],
        project: FromPath[str],
    ) -> dict[str, Any]:
        """Change a project and return it."""
        body = decode_body_strict(_CHANGE, await request.body())
        project_id, actor = parse_project_id(project), key_actor(principal, request)
        account_id = principal.account_id
        async with database.transaction() as session:
            await require_project_admin(session, principal)
            if body.name is not UNSET:
                await rename_project(session, clock, actor, account_id, project_id, body.name)
            if body.budget is not UNSET:
                await _change_budget(session, clock, actor, account_id, project_id, body.budget)
            return await _render(session, clock, account_id, project_id)

    @post("/{project:str}/archive", status_code=200, summary="Archive a project and stop its keys")
    async def archive(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        request: Request[Any, Any, Any],
        project: FromPath[str],
    ) -> dict[str, Any]:
        """Archive a project for good and return it."""
        project_id, actor = parse_project_id(project), key_actor(principal, request)
        async with database.transaction() as session:
            await require_project_admin(session, principal)
            await archive_project(session, clock, actor, principal.account_id, project_id)
            return await _render(session, clock, principal.account_id, project_id)


async def _change_budget(
    session: AsyncSession,
    clock: Clock,
    actor: Actor,
    account_id: UUID,
    project_id: UUID,
    budget: BudgetRequest,
) -> None:
    """Apply the budget of a body. Raises BudgetInvalid, LimitInvalid, ProjectNotActive."""
    place = (session, clock, actor, account_id, project_id)
    await change_budgets(*place, budget.amounts())
    if budget.alert_percentages is not UNSET:
        await change_alert_percentages(*place, parse_percentages(budget.alert_percentages))


async def _render(
    session: AsyncSession, clock: Clock, account_id: UUID, project_id: UUID
) -> dict[str, Any]:
    """Return a project as JSON. Raises ProjectNotFound."""
    row = await get_project(session, account_id, project_id)
    (view,) = await load_project_views(session, account_id, [row], clock.now())
    return view.to_json()
