"""Attesters: whose word counts for a contract, each with a public key.

The customer adds its own systems and people, the operator our models, either of them a neutral
sensor, which is heard once the other side has accepted it. So neither side speaks for the other. A
meter is known by its key: one that takes its place is another attester.
"""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.accounts.profiles import lock_profile
from billing.outcomes.contracts.contracts import terms_of, versions_of
from billing.outcomes.contracts.parties import Party, Side, side_of
from billing.outcomes.contracts.terms import AttesterKind
from billing.tables import Attester
from infra import ids
from infra.clock import Clock
from infra.errors import AppError

PREFIX = "atst"
_MOST = 200  # of a contract
_ADDED_BY = {
    AttesterKind.CUSTOMER_SYSTEM: (Side.CUSTOMER,),
    AttesterKind.SIGN_OFF: (Side.CUSTOMER,),
    AttesterKind.OUR_MODEL: (Side.OPERATOR,),
    AttesterKind.NEUTRAL_SENSOR: tuple(Side),
}


class AttesterInvalid(AppError):
    """An attester that the contract does not take, that this side cannot add, or without a name."""

    status = 400
    type = "invalid_request_error"
    code = "attester_invalid"


class AttesterNotFound(AppError):
    """The account has no such attester, or the contract has another."""

    status = 404
    type = "invalid_request_error"
    code = "attester_not_found"


class AttesterDiffers(AppError):
    """The key belongs to another attester of the contract, or to one that was revoked."""

    status = 409
    type = "invalid_request_error"
    code = "attester_differs"


@dataclass(frozen=True, slots=True)
class NewAttester:
    """Who is to attest: a kind, a name for people, and 32 bytes of an Ed25519 public key."""

    kind: AttesterKind
    name: str
    public_key: bytes


async def add_attester(
    session: AsyncSession,
    clock: Clock,
    account_id: UUID,
    contract_id: UUID,
    new: NewAttester,
    by: Party,
) -> Attester:
    """Let it attest from now on; the same again is the same.

    Raises AttesterInvalid, AttesterDiffers.
    """
    await lock_profile(session, account_id)
    await _require_fit(session, account_id, contract_id, new, by)
    known = await attesters_of(session, account_id, contract_id)
    same = next((one for one in known if one.public_key == new.public_key), None)
    if same is not None:
        return _same(same, new)
    if len(known) >= _MOST:
        raise AttesterInvalid(f"The contract has {_MOST} attesters already.", param="contract")
    attester = Attester(
        id=ids.new_id(),
        account_id=account_id,
        contract_id=contract_id,
        kind=new.kind.value,
        name=new.name,
        public_key=new.public_key,
        added_by=str(by),
        added_at=clock.now(),
    )
    session.add(attester)
    await session.flush()
    return attester


async def accept_attester(
    session: AsyncSession, clock: Clock, account_id: UUID, attester_id: UUID, by: Party
) -> Attester:
    """Let a sensor be heard that the other side added; a second time changes nothing.

    Raises AttesterNotFound, AttesterInvalid.
    """
    await lock_profile(session, account_id)
    attester = await get_attester(session, account_id, attester_id)
    if attester.kind != AttesterKind.NEUTRAL_SENSOR or side_of(attester.added_by) is by.side:
        raise AttesterInvalid("Only a neutral sensor is accepted, by the side that did not add it.")
    if attester.accepted_at is None:
        attester.accepted_by, attester.accepted_at = str(by), clock.now()
        await session.flush()
    return attester


async def revoke_attester(
    session: AsyncSession, clock: Clock, account_id: UUID, attester_id: UUID, by: Party
) -> Attester:
    """Hear it no more; what it said before stays. A second time changes nothing. Raises
    AttesterNotFound."""
    await lock_profile(session, account_id)
    attester = await get_attester(session, account_id, attester_id)
    if attester.revoked_at is None:
        attester.revoked_by, attester.revoked_at = str(by), clock.now()
        await session.flush()
    return attester


async def attesters_of(
    session: AsyncSession, account_id: UUID, contract_id: UUID
) -> list[Attester]:
    """All of a contract, the revoked ones too, the oldest first."""
    query = select(Attester).where(
        col(Attester.account_id) == account_id, col(Attester.contract_id) == contract_id
    )
    return list(await session.scalars(query.order_by(col(Attester.id))))


async def get_attester(session: AsyncSession, account_id: UUID, attester_id: UUID) -> Attester:
    """Raises AttesterNotFound."""
    query = select(Attester).where(
        col(Attester.account_id) == account_id, col(Attester.id) == attester_id
    )
    found = (await session.scalars(query)).one_or_none()
    if found is None:
        raise AttesterNotFound("The account has no such attester.", param="attester")
    return found


def is_heard(attester: Attester) -> bool:
    """Whether its word counts now: not revoked, and a neutral sensor accepted by both sides."""
    accepted = attester.kind != AttesterKind.NEUTRAL_SENSOR or attester.accepted_at is not None
    return accepted and attester.revoked_at is None


async def _require_fit(
    session: AsyncSession, account_id: UUID, contract_id: UUID, new: NewAttester, by: Party
) -> None:
    if not 0 < len(new.name.strip()) <= 200 or not new.name.isprintable():
        raise AttesterInvalid("A name is 1 to 200 printable characters.", param="name")
    versions = await versions_of(session, account_id, contract_id)
    # What happened is often seen by our model first; it only confirms where the contract says so.
    kinds = {kind for version in versions for kind in terms_of(version).attesters}
    kinds.add(AttesterKind.OUR_MODEL)
    if new.kind not in kinds:
        said = f"The contract's attesters are {', '.join(sorted(kinds))}."
        raise AttesterInvalid(said, param="kind")
    if by.side not in _ADDED_BY[new.kind]:
        raise AttesterInvalid(f"A {new.kind} is added by the other side.", param="kind")


def _same(known: Attester, new: NewAttester) -> Attester:
    if (known.kind, known.name) != (new.kind, new.name) or known.revoked_at is not None:
        raise AttesterDiffers(
            f"The key is that of {known.name!r}, a {known.kind}"
            f"{', which was revoked' if known.revoked_at else ''}: each attester has its own.",
            param="public_key",
        )
    return known
