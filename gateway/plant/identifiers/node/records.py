"""Records of a node in PostgreSQL: registration in bulk, look-up, listing and versions."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import ColumnElement, func
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased
from sqlmodel import col, select
from sqlmodel.sql.expression import SelectOfScalar

from gateway.plant.identifiers.codes import Identifier, parse_identifier
from gateway.plant.identifiers.delegations import Authority
from gateway.plant.identifiers.errors import IdentifierNotFound, PrefixNotOwned
from gateway.plant.identifiers.node.authorities import OwnAuthority
from gateway.plant.identifiers.prefixes import Prefix
from gateway.plant.identifiers.records import Access, Disclosure, NewRecord, SignedRecord
from gateway.plant.identifiers.registration import LineResult, ParsedLine, next_record
from gateway.tables import NodeAuthority, NodeRecord
from infra.clock import Clock
from infra.errors import AppError


@dataclass(frozen=True, slots=True)
class Registrar:
    """Registers records under the prefixes of one owner, in the caller's transaction."""

    owners: Sequence[OwnAuthority]
    clock: Clock

    async def register(
        self, session: AsyncSession, lines: Iterable[ParsedLine]
    ) -> Sequence[LineResult]:
        """Store the records of the lines; a line with an error changes nothing.

        Later lines see earlier ones. Two requests with the same records are serialized by the
        primary key; the loser is a TransactionConflict, which the client retries.
        """
        parsed = list(lines)
        wanted = {one.draft.identifier.text for one in parsed if one.draft is not None}
        stored = dict(await latest_records(session, sorted(wanted)))
        prefixes = [Prefix(one) for one in await session.scalars(select(col(NodeAuthority.prefix)))]
        return [self._register_line(session, one, stored, prefixes) for one in parsed]

    def _register_line(
        self,
        session: AsyncSession,
        line: ParsedLine,
        stored: dict[str, SignedRecord],
        prefixes: Sequence[Prefix],
    ) -> LineResult:
        """Store the record of one line and return what became of it."""
        if line.draft is None:
            return LineResult(line.number, "error", error=line.error)
        name = line.draft.identifier.text
        try:
            owner = self._owner_of(line.draft, prefixes)
            record = next_record(line.draft, stored.get(name), owner.authority, self.clock.now())
        except AppError as error:
            return LineResult(line.number, "error", name, error=error)
        before = stored.get(name)
        if record is None:
            return LineResult(line.number, "unchanged", name, before.version if before else None)
        session.add(_row(record, owner, self.clock))
        stored[name] = record
        return LineResult(line.number, "updated" if before else "created", name, record.version)

    def _owner_of(self, draft: NewRecord, prefixes: Sequence[Prefix]) -> OwnAuthority:
        """Return the owner of the longest prefix on this node that contains a record.

        Raises PrefixNotOwned if another owner has it.
        """
        fitting = [one for one in prefixes if draft.identifier.is_under(one)]
        longest = max(fitting, key=lambda one: len(one.text), default=None)
        for owner in self.owners:
            if owner.authority.prefix == longest:
                return owner
        raise PrefixNotOwned(
            f"`{draft.identifier.text}` is not under a prefix of this account.", param="id"
        )


async def latest_records(session: AsyncSession, names: Sequence[str]) -> Mapping[str, SignedRecord]:
    """Return the newest version of each identifier that has a record.

    Nodes answer for all owners, so there is no account here.
    """
    query = select(NodeRecord).where(col(NodeRecord.identifier).in_(names), _is_newest())
    return {row.identifier: signed_record(row) for row in await session.scalars(query)}


async def list_records(
    session: AsyncSession, account_id: UUID, limit: int, after: str | None = None, text: str = ""
) -> Sequence[NodeRecord]:
    """Return the newest versions of an account's records by identifier, after one of them."""
    query = (
        _of_account(account_id)
        .where(_is_newest())
        .order_by(col(NodeRecord.identifier))
        .limit(limit)
    )
    if after is not None:
        query = query.where(col(NodeRecord.identifier) > after)
    if text:
        query = query.where(func.strpos(func.lower(col(NodeRecord.identifier)), text.lower()) > 0)
    return (await session.scalars(query)).all()


async def record_versions(
    session: AsyncSession, account_id: UUID, identifier: Identifier
) -> Sequence[NodeRecord]:
    """Return all versions of an account's record, newest first. Raises IdentifierNotFound."""
    query = (
        _of_account(account_id)
        .where(col(NodeRecord.identifier) == identifier.text)
        .order_by(col(NodeRecord.version).desc())
        .limit(100)
    )
    rows = (await session.scalars(query)).all()
    if not rows:
        raise IdentifierNotFound("The account has registered no such identifier.", param="id")
    return rows


async def require_registered(session: AsyncSession, account_id: UUID, names: Sequence[str]) -> None:
    """Raise IdentifierNotFound unless the account has a record of each identifier."""
    query = (
        select(col(NodeRecord.identifier))
        .where(col(NodeRecord.account_id) == account_id, col(NodeRecord.identifier).in_(names))
        .distinct()
    )
    missing = set(names) - set(await session.scalars(query))
    if missing:
        raise IdentifierNotFound(
            f"The account has registered no identifier `{min(missing)}`.", param="ids"
        )


def signed_record(row: NodeRecord) -> SignedRecord:
    """Return the record of a row."""
    disclosures = tuple(Disclosure(Access(access), text) for access, text in row.disclosures)
    return SignedRecord(
        parse_identifier(row.identifier),
        row.version,
        row.token,
        disclosures,
        row.ttl_s,
        row.withdrawn,
    )


def _of_account(account_id: UUID) -> SelectOfScalar[NodeRecord]:
    """Return the query of an account's records."""
    return select(NodeRecord).where(col(NodeRecord.account_id) == account_id)


def _is_newest() -> ColumnElement[bool]:
    """Return the condition that a row is the newest version of its identifier."""
    other = aliased(NodeRecord)
    newest = select(func.max(col(other.version))).where(
        col(other.identifier) == col(NodeRecord.identifier)
    )
    return col(NodeRecord.version) == newest.scalar_subquery()


def _row(record: SignedRecord, owner: OwnAuthority, clock: Clock) -> NodeRecord:
    """Return the row of a signed record."""
    authority: Authority = owner.authority
    return NodeRecord(
        identifier=record.identifier.text,
        version=record.version,
        prefix=authority.prefix.text,
        account_id=owner.account_id,
        token=record.token,
        disclosures=[[one.access.value, one.encoded] for one in record.disclosures],
        ttl_s=record.ttl_s,
        withdrawn=record.withdrawn,
        created_at=clock.now(),
    )
