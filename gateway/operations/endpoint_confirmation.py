"""Whether a mailbox may receive an account's events without asking its reader first."""

from uuid import UUID

from sqlalchemy import func
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.notifications.endpoints.confirmation import Confirmation, is_confirmed_before
from gateway.tables import Membership, Person


async def may_send(session: AsyncSession, account_id: UUID, address: str) -> bool:
    """Return whether an address belongs to a member of the account, or was confirmed for it.

    Members have proved their address by the link of their invitation or the code of their sign-up.
    """
    query = (
        select(Person.id)
        .join(Membership, col(Membership.person_id) == col(Person.id))
        .where(
            col(Membership.account_id) == account_id,
            func.lower(col(Person.email)) == address.lower(),
        )
    )
    if (await session.execute(query)).first() is not None:
        return True
    return await is_confirmed_before(session, Confirmation(account_id, address))
