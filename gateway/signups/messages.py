"""E-mails about sign-ups: the code, notices to the person and to owners of an account."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.tables import Account, OutboxItem
from gateway.identity.links import Links
from gateway.identity.mail import IdentityEmail, enqueue_email
from gateway.identity.people import get_email_language
from gateway.identity.roles import Role
from gateway.tables import Membership, Person, Signup
from infra.clock import Clock
from infra.secrets.sealer import Sealer

_MAX_OWNERS = 20


@dataclass(frozen=True, slots=True)
class SignupMessages:
    """Queues e-mails in the outbox, which retries while the mail server is down."""

    clock: Clock
    sealer: Sealer
    links: Links

    async def send_code(self, session: AsyncSession, row: Signup, code: str) -> None:
        """Queue the code, encrypted, as operators can read the outbox."""
        email = IdentityEmail(
            kind="signup_code",
            to=row.email,
            language=row.language,
            key=_code_key(row),
            secret=True,
            values={"code": code},
        )
        await enqueue_email(session, self.clock, self.sealer, email)

    async def notify_applicant(
        self, session: AsyncSession, row: Signup, kind: str, note: str = ""
    ) -> None:
        """Queue the result of a review for the verified address of a sign-up."""
        values = {"company": row.company_name, "link": self.links.dashboard, "note": note}
        email = IdentityEmail(
            kind=kind,
            to=row.email,
            language=row.language,
            key=row.id.hex,
            account_id=row.account_id,
            values=values,
        )
        await enqueue_email(session, self.clock, self.sealer, email)

    async def notify_owners(
        self,
        session: AsyncSession,
        account_id: UUID,
        kind: str,
        key: str,
        values: Mapping[str, str],
    ) -> None:
        """Queue an e-mail to each owner of an account, once per key."""
        query = (
            select(Person)
            .join(Membership, col(Membership.person_id) == col(Person.id))
            .where(
                col(Membership.account_id) == account_id,
                col(Membership.role) == Role.OWNER.value,
            )
            .order_by(col(Person.id))
            .limit(_MAX_OWNERS)
        )
        account = await session.get_one(Account, account_id)
        for person in (await session.scalars(query)).all():
            email = IdentityEmail(
                kind=kind,
                to=person.email,
                language=await get_email_language(session, person, account_id),
                key=f"{key}-{person.id.hex}",
                account_id=account_id,
                values={"account": account.name, "company": account.name, **values},
            )
            await enqueue_email(session, self.clock, self.sealer, email)


async def is_code_delayed(session: AsyncSession, row: Signup) -> bool:
    """Whether the mail server has not accepted the latest code; it is retried."""
    key = f"email:signup_code:{_code_key(row)}"
    query = select(OutboxItem.id).where(
        col(OutboxItem.business_key) == key,
        col(OutboxItem.done_at).is_(None),
        col(OutboxItem.last_error).is_not(None),
    )
    return (await session.execute(query)).first() is not None


def _code_key(row: Signup) -> str:
    """Return the idempotency key of the latest code of a sign-up."""
    return f"{row.id.hex}-{row.codes_sent}"
