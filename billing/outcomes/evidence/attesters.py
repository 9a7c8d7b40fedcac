"""Attesters of a contract: who may sign evidence, each with an Ed25519 public key.

The customer adds its own systems and people, the operator its models, and either party a neutral
sensor, which is active once the other party has accepted it. So neither party can sign for the
other. A meter is identified by its key: a replacement meter is a new attester.
"""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.accounts.profiles import lock_profile
from billing.outcomes.contracts.contracts import list_versions, version_terms
from billing.outcomes.contracts.parties import Party, Side, parse_side
from billing.outcomes.contracts.terms import AttesterKind
from billing.tables import Attester
from infra import ids
from infra.clock import Clock
from infra.errors import AppError

PREFIX = "atst"
_MAX_ATTESTERS = 200  # per contract
_SIDES_BY_KIND = {
    AttesterKind.CUSTOMER_SYSTEM: (Side.CUSTOMER,),
    AttesterKind.SIGN_OFF: (Side.CUSTOMER,),
    AttesterKind.OUR_MODEL: (Side.OPERATOR,),
    AttesterKind.NEUTRAL_SENSOR: tuple(Side),
}


class AttesterInvalid(AppError):
    """The contract does not allow this kind of attester, this party cannot add it, or bad name."""

    status = 400
    type = "invalid_request_error"
    code = "attester_invalid"


class AttesterNotFound(AppError):
    """The account has no such attester, or it belongs to another contract."""

    status = 404
    type = "invalid_request_error"
    code = "attester_not_found"


class AttesterKeyConflict(AppError):
    """The public key belongs to another attester of the contract, or to a revoked one."""

    status = 409
    type = "invalid_request_error"
    code = "attester_differs"


@dataclass(frozen=True, slots=True)
class NewAttester:
    """An attester to add: its kind, a display name, and the 32 bytes of its Ed25519 public key."""

    kind: AttesterKind
    name: str
    public_key: bytes


async def add_attester(
    session: AsyncSession,
    clock: Clock,
    account_id: UUID,
    contract_id: UUID,
    new: NewAttester,
    party: Party,
) -> Attester:
    """Add an attester to a contract; a repeated request returns the existing attester.

    Raises AttesterInvalid, AttesterKeyConflict.
    """
    await lock_profile(session, account_id)
    await _validate_new_attester(session, account_id, contract_id, new, party)
    existing = await list_attesters(session, account_id, contract_id)
    same = next((one for one in existing if one.public_key == new.public_key), None)
    if same is not None:
        return _require_same(same, new)
    if len(existing) >= _MAX_ATTESTERS:
        raise AttesterInvalid(
            f"The maximum of {_MAX_ATTESTERS} attesters per contract is reached.", param="contract"
        )
    attester = Attester(
        id=ids.new_id(),
        account_id=account_id,
        contract_id=contract_id,
        kind=new.kind.value,
        name=new.name,
        public_key=new.public_key,
        added_by=str(party),
        added_at=clock.now(),
    )
    session.add(attester)
    await session.flush()
    return attester


async def accept_attester(
    session: AsyncSession, clock: Clock, account_id: UUID, attester_id: UUID, party: Party
) -> Attester:
    """Accept a neutral sensor that the other party added; accepting again changes nothing.

    Raises AttesterNotFound, AttesterInvalid.
    """
    await lock_profile(session, account_id)
    attester = await get_attester(session, account_id, attester_id)
    if attester.kind != AttesterKind.NEUTRAL_SENSOR or parse_side(attester.added_by) is party.side:
        raise AttesterInvalid(
            "Only a neutral sensor can be accepted, and only by the side that did not add it."
        )
    if attester.accepted_at is None:
        attester.accepted_by, attester.accepted_at = str(party), clock.now()
        await session.flush()
    return attester


async def revoke_attester(
    session: AsyncSession, clock: Clock, account_id: UUID, attester_id: UUID, party: Party
) -> Attester:
    """Revoke an attester; its earlier evidence stays valid. Revoking again changes nothing.

    Raises AttesterNotFound.
    """
    await lock_profile(session, account_id)
    attester = await get_attester(session, account_id, attester_id)
    if attester.revoked_at is None:
        attester.revoked_by, attester.revoked_at = str(party), clock.now()
        await session.flush()
    return attester


async def list_attesters(
    session: AsyncSession, account_id: UUID, contract_id: UUID
) -> list[Attester]:
    """List all attesters of a contract, including revoked ones, oldest first."""
    query = select(Attester).where(
        col(Attester.account_id) == account_id, col(Attester.contract_id) == contract_id
    )
    return list(await session.scalars(query.order_by(col(Attester.id))))


async def get_attester(session: AsyncSession, account_id: UUID, attester_id: UUID) -> Attester:
    """Return one of the account's attesters. Raises AttesterNotFound."""
    query = select(Attester).where(
        col(Attester.account_id) == account_id, col(Attester.id) == attester_id
    )
    attester = (await session.scalars(query)).one_or_none()
    if attester is None:
        raise AttesterNotFound("The account does not have this attester.", param="attester")
    return attester


def is_active(attester: Attester) -> bool:
    """Return whether an attester can sign now: not revoked, and a neutral sensor accepted."""
    accepted = attester.kind != AttesterKind.NEUTRAL_SENSOR or attester.accepted_at is not None
    return accepted and attester.revoked_at is None


async def _validate_new_attester(
    session: AsyncSession, account_id: UUID, contract_id: UUID, new: NewAttester, party: Party
) -> None:
    """Raise AttesterInvalid for a bad name, an unaccepted kind or a side that may not add it."""
    if not 0 < len(new.name.strip()) <= 200 or not new.name.isprintable():
        raise AttesterInvalid("A name must have 1 to 200 printable characters.", param="name")
    versions = await list_versions(session, account_id, contract_id)
    # Our model may claim in any contract; it can confirm only if the contract accepts its kind.
    kinds = {kind for version in versions for kind in version_terms(version).attesters}
    kinds.add(AttesterKind.OUR_MODEL)
    if new.kind not in kinds:
        message = f"The contract allows these kinds of attesters: {', '.join(sorted(kinds))}."
        raise AttesterInvalid(message, param="kind")
    if party.side not in _SIDES_BY_KIND[new.kind]:
        raise AttesterInvalid(f"A {new.kind} must be added by the other side.", param="kind")


def _require_same(existing: Attester, new: NewAttester) -> Attester:
    """Return the attester with this key. Raises AttesterKeyConflict if it is not like `new`."""
    if (existing.kind, existing.name) != (new.kind, new.name) or existing.revoked_at is not None:
        raise AttesterKeyConflict(
            f"The key belongs to {existing.name!r}, a {existing.kind}"
            f"{', which was revoked' if existing.revoked_at else ''}. Use a different key "
            "for each attester.",
            param="public_key",
        )
    return existing
