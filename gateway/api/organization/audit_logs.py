"""`/v1/organization/audit_logs` and `/v1/admin/audit_logs`: who changed what, when and whence."""

from typing import Any
from uuid import UUID

from litestar import Controller, Request, get
from litestar.di import NamedDependency
from litestar.params import FromQuery

from billing.accounts.accounts import ACCOUNT_ID_PREFIX
from gateway.access.admin_scopes import AdminScope
from gateway.api.admin.context import AdminRequest
from gateway.api.organization.parameters import array_parameter, time_range
from gateway.api.pagination import PageLimit, bidirectional_page_json, parse_cursor
from gateway.call.errors import ParameterInvalid
from gateway.identity.audit_log import PERSON_ID_PREFIX, AuditLogEntry
from gateway.identity.audit_search import AuditSearch, search_audit_log
from gateway.operations.organization_views import AUDIT_ID_PREFIX, actions_of, audit_json
from infra import ids


class OrganizationAuditRoutes(Controller):
    """The audit log of the account, in OpenAI's shape."""

    path = "/audit_logs"

    @get("/", summary="List the audit log of the account, newest first")
    async def audit_logs(
        self,
        organization: NamedDependency[AdminRequest],
        request: Request[Any, Any, Any],
        limit: PageLimit = 20,
        after: FromQuery[str | None] = None,
        before: FromQuery[str | None] = None,
    ) -> dict[str, Any]:
        """Return a page of entries, filtered as OpenAI's endpoint does."""
        search = _search(request, organization.account_id, limit, after, before)
        return await _page(organization, search, audit_json)


class AdminAuditRoutes(Controller):
    """The audit log of the platform and all accounts."""

    path = "/audit_logs"

    @get("/", summary="List the audit log, newest first", admin_scope=AdminScope.AUDIT_READ)
    async def audit_logs(
        self,
        admin: NamedDependency[AdminRequest],
        request: Request[Any, Any, Any],
        limit: PageLimit = 20,
        after: FromQuery[str | None] = None,
        before: FromQuery[str | None] = None,
        account: FromQuery[str | None] = None,
    ) -> dict[str, Any]:
        """Return a page of entries of all accounts, or of the account with this id."""
        account_id = None if account is None else ids.parse_id(ACCOUNT_ID_PREFIX, account)
        if account is not None and account_id is None:
            raise ParameterInvalid("`account` must be an account id (acct_…).", param="account")
        search = _search(request, account_id, limit, after, before)
        return await _page(admin, search, _with_account)


def _search(
    request: Request[Any, Any, Any],
    account_id: UUID | None,
    limit: int,
    after: str | None,
    before: str | None,
) -> AuditSearch:
    """Return the search that the query asks for. Raises ParameterInvalid."""
    if after is not None and before is not None:
        raise ParameterInvalid("Send either `after` or `before`.", param="before")
    actors = array_parameter(request, "actor_ids")
    people = [ids.parse_id(PERSON_ID_PREFIX, actor) for actor in actors]
    since, until = time_range(request, "effective_at")
    return AuditSearch(
        account_id,
        limit,
        actions=actions_of(array_parameter(request, "event_types")),
        person_ids=[person for person in people if person is not None],
        key_ids=[one for one, person in zip(actors, people, strict=True) if person is None],
        emails=array_parameter(request, "actor_emails"),
        since=since,
        until=until,
        after=parse_cursor(AUDIT_ID_PREFIX, after),
        before=parse_cursor(AUDIT_ID_PREFIX, before),
    )


async def _page(admin: AdminRequest, search: AuditSearch, to_json: Any) -> dict[str, Any]:
    """Return a page of entries as OpenAI's list."""
    rows = await admin.read(lambda session: search_audit_log(session, search))
    is_backwards = search.before is not None
    # The entry that shows that there are more is the newest of a page read backwards.
    has_more = len(rows) > search.limit
    shown = rows[1:] if is_backwards and has_more else rows[: search.limit]
    page = bidirectional_page_json(shown, search.limit, to_json, False)
    return {**page, "has_more": has_more}


def _with_account(entry: AuditLogEntry) -> dict[str, Any]:
    """Return an entry with the account that it concerns, null for the platform."""
    account = entry.account_id and ids.format_id(ACCOUNT_ID_PREFIX, entry.account_id)
    return {**audit_json(entry), "account": account}
