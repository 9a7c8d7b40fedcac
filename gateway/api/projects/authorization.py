"""Who may manage the projects of an account through the API."""

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.tables import ApiKey
from gateway.access.key_permissions import is_restricted
from gateway.call.values import Principal
from gateway.projects.errors import ProjectChangeNotAllowed


async def require_project_admin(session: AsyncSession, principal: Principal) -> None:
    """Check that an API key may read and change the account's projects.

    It must be an unrestricted key of the default project that no service account owns: a key of a
    workshop must not raise the workshop's own budget. Raises ProjectChangeNotAllowed.
    """
    query = select(ApiKey).where(
        col(ApiKey.id) == principal.key_id, col(ApiKey.account_id) == principal.account_id
    )
    row = (await session.scalars(query)).one()
    is_of_default = row.project_id is None or row.project_id == principal.account_id
    if is_restricted(principal) or not is_of_default or row.service_account_id is not None:
        raise ProjectChangeNotAllowed(
            "Projects can be managed with a key of the default project that is not limited to "
            "some models, service tiers or permissions and is not a service account's."
        )
