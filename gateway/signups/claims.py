"""Claims: the values for which a starting grant is given once, kept unique by the database."""

import hmac

from sqlalchemy import delete, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from gateway.signups.decision import ClaimKind
from gateway.tables import Signup, SignupClaim

# An operator who approves a grant has seen that the device is the same.
UNCONDITIONAL_KINDS = frozenset({ClaimKind.EMAIL, ClaimKind.CREDIT_CODE, ClaimKind.COMPANY})


async def claim_grant(session: AsyncSession, pepper: bytes, row: Signup) -> frozenset[ClaimKind]:
    """Claim the values of a sign-up that nobody has; return the kinds that others have.

    Of concurrent transactions, the second waits until the first has ended, then sees its claims.
    """
    values = _claim_values(pepper, row)
    # Sorted, so that concurrent transactions cannot deadlock.
    await session.execute(
        insert(SignupClaim)
        .values(
            [
                {"kind": kind.value, "digest": digest, "signup_id": row.id}
                for kind, digest in sorted(values)
            ]
        )
        .on_conflict_do_nothing()
    )
    query = select(SignupClaim.kind).where(
        tuple_(col(SignupClaim.kind), col(SignupClaim.digest)).in_(
            [(kind.value, digest) for kind, digest in values]
        ),
        col(SignupClaim.signup_id) != row.id,
    )
    return frozenset(ClaimKind(kind) for kind in (await session.scalars(query)).all())


async def release_claims(session: AsyncSession, row: Signup) -> None:
    """Release the claims of a sign-up that gets no grant."""
    await session.execute(delete(SignupClaim).where(col(SignupClaim.signup_id) == row.id))


def _claim_values(pepper: bytes, row: Signup) -> list[tuple[ClaimKind, bytes]]:
    """Return the values that a sign-up claims, as keyed hashes."""
    texts = {
        ClaimKind.EMAIL: row.mailbox,
        ClaimKind.CREDIT_CODE: row.credit_code,
        ClaimKind.COMPANY: row.name_key,
        ClaimKind.DEVICE: None if row.device is None else row.device.hex(),
    }
    return [
        (kind, hmac.digest(pepper, f"claim:{kind.value}:{text}".encode(), "sha256"))
        for kind, text in texts.items()
        if text
    ]
