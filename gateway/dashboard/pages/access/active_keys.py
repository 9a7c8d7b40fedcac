"""The account's active keys in forms that start paid work, and the principal of the chosen one."""

from collections.abc import Iterable

from billing.tables import ApiKey
from gateway.access.api_keys import PREFIX as KEY_PREFIX
from gateway.access.api_keys import list_keys
from gateway.access.authenticator import Authenticator
from gateway.access.key_views import list_archived_projects
from gateway.call.values import Principal, SignedInCaller
from gateway.dashboard.errors import PageNotFound
from gateway.dashboard.page_request import PageRequest, client_origin
from gateway.dashboard.pages.projects.common import visible_project_ids
from infra import ids
from infra.clock import Clock
from infra.database.database import Database


async def list_active_keys(page: PageRequest, database: Database, clock: Clock) -> list[ApiKey]:
    """Return the keys that are not revoked or expired, of active projects that the viewer sees."""
    account_id = page.account_id
    async with database.transaction() as session:
        keys = await list_keys(session, account_id)
        visible = await visible_project_ids(session, page)
        archived = await list_archived_projects(session, account_id)
    now = clock.now()
    return [
        key
        for key in keys
        if key.revoked_at is None
        and (key.expires_at is None or key.expires_at > now)
        and key.project_id not in archived
        and (visible is None or (key.project_id or account_id) in visible)
    ]


def key_choices(keys: Iterable[ApiKey]) -> list[tuple[str, str]]:
    """Return keys as the values and texts of a form's choice."""
    return [(ids.format_id(KEY_PREFIX, key.id), key.name) for key in keys]


async def load_principal(
    page: PageRequest, database: Database, clock: Clock, authenticator: Authenticator, key: str
) -> Principal:
    """Return the principal of a chosen key. Raises PageNotFound for another account's key."""
    key_id = ids.parse_id(KEY_PREFIX, key)
    known = {row.id for row in await list_active_keys(page, database, clock)}
    if key_id is None or key_id not in known:
        raise PageNotFound("The account has no such key.")
    caller = SignedInCaller(page.account_id, key_id)
    key_record = await authenticator.identify_key(caller, clock.now())
    return authenticator.require_active(key_record, client_origin(page.request).address)
