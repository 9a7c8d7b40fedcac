"""What a node answers from its own tables: a record, a delegation, or a signed denial."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from gateway.plant.identifiers.cache import ExpiringCache
from gateway.plant.identifiers.codes import Identifier, parse_identifier
from gateway.plant.identifiers.delegations import (
    Authority,
    Delegation,
    read_delegation,
    require_current,
)
from gateway.plant.identifiers.denials import issue_denial, verify_denial
from gateway.plant.identifiers.keys import generate_key
from gateway.plant.identifiers.node.authorities import OwnAuthorities, OwnAuthority
from gateway.plant.identifiers.node.record_reader import RecordReader
from gateway.plant.identifiers.prefixes import Prefix
from gateway.plant.identifiers.records import SignedRecord
from gateway.tables import NodeDelegation
from infra.clock import Clock
from infra.database.database import Database
from infra.secrets.sealer import Sealer
from infra.single_flight import SingleFlight

NEGATIVE_TTL_S = 30
# Seconds after which changes by another process, such as `maas node delegate`, are seen.
_AUTHORITIES_S = _DELEGATIONS_S = 2.0
_MAX_DELEGATIONS = 10_000
_QUERIES_TO_PREPARE = 6  # psycopg prepares a statement that it has run five times


@dataclass(frozen=True, slots=True)
class LocalAnswer:
    """One of record, delegation and denial, by an authority of this node."""

    own: OwnAuthority
    record: SignedRecord | None = None
    delegation: Delegation | None = None
    denial: str | None = None
    revocations: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Delegated:
    """What an authority has delegated above an identifier: active delegations, newest first."""

    active: tuple[Delegation, ...]
    revocations: tuple[str, ...]


class LocalNode:
    """The authorities, delegations and records of this node.

    Authorities and delegations are kept for two seconds, so that most answers need one query at
    most. A record is read each time.
    """

    def __init__(
        self, database: Database, records: RecordReader, clock: Clock, sealer: Sealer
    ) -> None:
        self._database = database
        self._records = records
        self._clock = clock
        self._own = OwnAuthorities(sealer)
        self._authorities: Sequence[OwnAuthority] = ()
        self._read_at: float | None = None
        self._delegated: ExpiringCache[tuple[str, str], _Delegated] = ExpiringCache(
            _MAX_DELEGATIONS, clock.monotonic
        )
        self._flights: SingleFlight[tuple[str, str], _Delegated] = SingleFlight()
        self._reading: SingleFlight[str, None] = SingleFlight()

    async def authorities(self) -> Sequence[OwnAuthority]:
        """Return the prefixes of this node, longest first, at most two seconds old."""
        now = self._clock.monotonic()
        if self._read_at is None or now - self._read_at > _AUTHORITIES_S:
            await self.refresh()
        return self._authorities

    async def refresh(self) -> None:
        """Read the prefixes of this node."""
        await self._reading.run("", self._read_authorities)

    async def warm_up(self) -> None:
        """Do once what an answer needs: connections, compiled queries, and a signature."""
        nothing = parse_identifier("88.0/warm-up")
        owner = OwnAuthority(Authority(Prefix("88"), generate_key()))
        verify_denial(
            issue_denial(nothing, owner.authority, self._clock.now(), 0),
            nothing,
            owner.authority,
            self._clock.now(),
        )
        await self.refresh()
        await self._records.warm_up(nothing)
        async with self._database.transaction() as session:
            for _ in range(_QUERIES_TO_PREPARE):
                await _delegations(session, owner, nothing.prefix)

    def forget(self) -> None:
        """Drop kept delegations, as after a revocation."""
        self._delegated.clear()

    async def answer(self, identifier: Identifier) -> LocalAnswer | None:
        """Return the answer for an identifier, None if no prefix of this node contains it."""
        for own in await self.authorities():
            if identifier.is_under(own.authority.prefix):
                return await self._answer(own, identifier)
        return None

    async def _answer(self, own: OwnAuthority, identifier: Identifier) -> LocalAnswer:
        """Return the answer of the authority that contains the identifier."""
        delegated = await self._delegated_above(own, identifier.prefix)
        now = self._clock.now()
        for one in delegated.active:
            if one.expires_at > now:
                require_current(one, now)
                return LocalAnswer(own, delegation=one, revocations=delegated.revocations)
        if not (delegated.active or delegated.revocations):
            record = await self._records.newest(identifier)
            if record is not None:
                return LocalAnswer(own, record=record)
        denial = issue_denial(identifier, own.authority, now, NEGATIVE_TTL_S)
        return LocalAnswer(own, denial=denial, revocations=delegated.revocations)

    async def _delegated_above(self, own: OwnAuthority, prefix: Prefix) -> _Delegated:
        """Return the delegations by `own` of prefixes that contain `prefix`."""
        key = (own.authority.key.kid, prefix.text)
        known = self._delegated.get(key)
        if known is None:
            known = await self._flights.run(key, lambda: self._read_delegated(own, prefix))
            self._delegated.put(key, known, _DELEGATIONS_S)
        return known

    async def _read_delegated(self, own: OwnAuthority, prefix: Prefix) -> _Delegated:
        """Read and verify the delegations of prefixes that contain `prefix`."""
        async with self._database.transaction() as session:
            rows = await _delegations(session, own, prefix)
        return _Delegated(
            tuple(read_delegation(one.token, own.authority) for one in rows if _is_active(one)),
            tuple(row.revocation for row in rows if row.revocation is not None),
        )

    async def _read_authorities(self) -> None:
        """Read the authorities; their keys are decrypted once."""
        async with self._database.transaction() as session:
            self._authorities = await self._own.read(session)
        self._read_at = self._clock.monotonic()


def _is_active(row: NodeDelegation) -> bool:
    """Return whether a delegation has not been revoked."""
    return row.revocation is None


async def _delegations(
    session: AsyncSession, own: OwnAuthority, prefix: Prefix
) -> Sequence[NodeDelegation]:
    """Return the delegations, active and revoked, of prefixes that contain `prefix`."""
    names = [one.text for one in prefix.ancestors()]
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
