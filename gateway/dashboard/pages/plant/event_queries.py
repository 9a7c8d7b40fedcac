"""The pages of named queries of item events (EPCIS): list, create, run and delete them."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery

from gateway.dashboard.forms import EMPTY_FORM, FormState, read_form_fields, with_errors
from gateway.dashboard.page_request import UNPROCESSABLE, PageRequest
from gateway.dashboard.pages.plant.common import load_zone
from gateway.dashboard.pages.plant.event_views import (
    QUERIES_PAGE,
    event_rows,
    parameters_of,
    subscription_rows,
)
from gateway.identity.audit_log import record_audit_event
from gateway.identity.roles import Permission
from gateway.plant.epcis.errors import QueryInvalid, QueryNameTaken, QueryTooLarge
from gateway.plant.epcis.events import EventType
from gateway.plant.epcis.named_queries import (
    create_query,
    delete_query,
    get_query,
    list_queries,
    stored_query,
)
from gateway.plant.epcis.storage import find_events
from gateway.plant.epcis.subscriptions import list_subscriptions
from gateway.tables import PlantEventQuery
from infra.clock import Clock
from infra.database.database import Database

_FIELDS = ("name", "eventType", "MATCH_anyEPC", "EQ_bizStep", "further")
_ERRORS = (QueryInvalid, QueryNameTaken)


class EventQueryPages(Controller):
    """Handlers of `/dashboard/identifiers/queries`."""

    path = "/identifiers/queries"

    @get("/", name="dashboard:event-queries")
    async def show(
        self, page: NamedDependency[PageRequest], database: NamedDependency[Database]
    ) -> Response[str]:
        """Show the account's queries and the form to create one."""
        return await _render_list(page, database, EMPTY_FORM)

    @post("/", permission=Permission.CALL)
    async def create(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        request: Request[Any, Any, Any],
    ) -> Response[Any]:
        """Store a query under a name, and show its events."""
        fields = {name: "" for name in _FIELDS} | await read_form_fields(request)
        try:
            async with database.transaction() as session:
                place = (session, clock, page.account_id)
                row = await create_query(*place, fields["name"].strip(), parameters_of(fields))
                audit = (session, clock, page.actor, page.account_id)
                await record_audit_event(*audit, "epcis.query_created", row.name)
        except _ERRORS as error:
            return await _render_list(page, database, with_errors(page, fields, error))
        return page.redirect(f"{QUERIES_PAGE}/{row.name}")

    @get("/{event_query:str}", name="dashboard:event-query")
    async def run(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        event_query: FromPath[str],
        after: FromQuery[str] = "",
    ) -> Response[str]:
        """Run a query and show a page of its events, and its subscriptions."""
        return await render_query(page, database, event_query, EMPTY_FORM, after=after)

    @post("/{event_query:str}/delete", permission=Permission.CALL)
    async def remove(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        event_query: FromPath[str],
    ) -> Response[Any]:
        """Delete a query with its subscriptions."""
        async with database.transaction() as session:
            await delete_query(session, page.account_id, event_query)
            audit = (session, clock, page.actor, page.account_id)
            await record_audit_event(*audit, "epcis.query_deleted", event_query)
        return page.redirect(QUERIES_PAGE)


async def render_query(
    page: PageRequest,
    database: Database,
    name: str,
    form: FormState,
    *,
    after: str = "",
    secret: str = "",
) -> Response[str]:
    """Render a query with a page of its events; `secret` is that of a new subscription."""
    account_id = page.account_id
    async with database.transaction() as session:
        row = await get_query(session, account_id, name)
        subscriptions = await list_subscriptions(session, account_id, row.id)
        zone = await load_zone(session, account_id)
        problem, found = "", None
        try:
            paging = (("nextPageToken", after),) if after else ()
            found = await find_events(session, account_id, stored_query(row, paging))
        except (QueryInvalid, QueryTooLarge) as error:
            problem = with_errors(page, {}, error).error
    return page.render(
        "plant/event_query.html",
        status=UNPROCESSABLE if form.error or form.errors else 200,
        row=row,
        parameters=_shown_parameters(row),
        events=[] if found is None else event_rows(found.rows),
        next_token=None if found is None else found.next_token,
        after=after,
        problem=problem,
        subscriptions=subscription_rows(subscriptions, row),
        secret=secret,
        form=form,
        zone=zone,
        may=page.viewer.has_permission(Permission.CALL),
    )


async def _render_list(page: PageRequest, database: Database, form: FormState) -> Response[str]:
    """Render the queries; with a form that has errors, the status is 422."""
    async with database.transaction() as session:
        rows = await list_queries(session, page.account_id)
        subscriptions = await list_subscriptions(session, page.account_id)
        zone = await load_zone(session, page.account_id)
    counts = Counter(one.query for one in subscriptions)
    return page.render(
        "plant/event_queries.html",
        status=UNPROCESSABLE if form.error or form.errors else 200,
        queries=[(row, _shown_parameters(row), counts[row.id]) for row in rows],
        types=[str(one) for one in EventType],
        form=form,
        zone=zone,
        may=page.viewer.has_permission(Permission.CALL),
    )


def _shown_parameters(row: PlantEventQuery) -> Mapping[str, str]:
    """Return the parameters of a query as text, lists separated by commas."""
    return {
        name: ", ".join(map(str, value)) if isinstance(value, list) else str(value)
        for name, value in row.parameters.items()
    }
