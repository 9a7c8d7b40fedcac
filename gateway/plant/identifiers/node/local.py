"""What a node answers from its own tables: a record, a delegation, or a signed denial."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from gateway.plant.identifiers.codes import Identifier
from gateway.plant.identifiers.delegations import Delegation, verify_delegation
from gateway.plant.identifiers.denials import issue_denial
from gateway.plant.identifiers.node.authorities import OwnAuthority, list_authorities
from gateway.plant.identifiers.node.records import latest_records
from gateway.plant.identifiers.records import SignedRecord
from gateway.tables import NodeDelegation
from infra.clock import Clock
from infra.database.database import Database
from infra.secrets.sealer import Sealer

NEGATIVE_TTL_S = 30
_AUTHORITIES_S = 2.0  # seconds after which another process's new prefix is seen


@dataclass(frozen=True, slots=True)
class LocalAnswer:
    """One of record, delegation and denial, by an authority of this node."""

    own: OwnAuthority
    record: SignedRecord | None = None
    delegation: Delegation | None = None
    denial: str | None = None
    revocations: tuple[str, ...] = ()


class LocalNode:
    """The authorities, delegations and records of this node."""

    def __init__(self, database: Database, clock: Clock, sealer: Sealer) -> None:
        self._database = database
        self._clock = clock
        self._sealer = sealer
        self._authorities: Sequence[OwnAuthority] = ()
        self._read_at: float | None = None

    async def authorities(self) -> Sequence[OwnAuthority]:
        """Return the prefixes of this node, longest first, at most two seconds old."""
        now = self._clock.monotonic()
        if self._read_at is None or now - self._read_at > _AUTHORITIES_S:
            async with self._database.transaction() as session:
                self._authorities = await list_authorities(session, self._sealer)
            self._read_at = now
        return self._authorities

    async def answer(self, identifier: Identifier) -> LocalAnswer | None:
        """Return the answer for an identifier, None if no prefix of this node contains it."""
        for own in await self.authorities():
            if identifier.is_under(own.authority.prefix):
                async with self._database.transaction() as session:
                    return await self._answer(session, own, identifier)
        return None

    async def _answer(
        self, session: AsyncSession, own: OwnAuthority, identifier: Identifier
    ) -> LocalAnswer:
        """Return the answer of the authority that contains the identifier."""
        rows = await _delegations(session, own, identifier)
        revoked = tuple(row.revocation for row in rows if row.revocation is not None)
        active = [row for row in rows if row.revocation is None]
        now = self._clock.now()
        for row in active:
            if row.expires_at > now:
                delegation = verify_delegation(row.token, own.authority, now)
                return LocalAnswer(own, delegation=delegation, revocations=revoked)
        record = (await latest_records(session, [identifier.text])).get(identifier.text)
        if record is not None and not rows:
            return LocalAnswer(own, record=record)
        denial = issue_denial(identifier, own.authority, now, NEGATIVE_TTL_S)
        return LocalAnswer(own, denial=denial, revocations=revoked)


async def _delegations(
    session: AsyncSession, own: OwnAuthority, identifier: Identifier
) -> Sequence[NodeDelegation]:
    """Return the delegations, active and revoked, of prefixes that contain the identifier."""
    names = [one.text for one in identifier.prefix.ancestors()]
    query = (
        select(NodeDelegation)
        .where(
            col(NodeDelegation.parent) == own.authority.prefix.text,
            col(NodeDelegation.prefix).in_(names),
        )
        .order_by(col(NodeDelegation.issued_at).desc())
        .limit(20)
    )
    return (await session.scalars(query)).all()
