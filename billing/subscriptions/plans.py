"""Plan versions: publish, find and list them, and load their terms.

Versions are immutable. Whether a plan is listed (offered to customers) is stored apart from the
terms, so it can change.
"""

from collections.abc import Iterable
from uuid import UUID

from sqlalchemy import delete, func, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.rating.terms import PACK_PLAN, PlanTerms, parse_terms
from billing.tables import PlanVersion, UnlistedPlan
from infra.clock import Clock
from infra.errors import AppError

_ADVISORY_LOCK_ID = 0x706C616E  # "plan"; serialises the numbering of versions


class PlanNotFound(AppError):
    """The plan or plan version does not exist in this currency."""

    status = 404
    type = "invalid_request_error"
    code = "plan_not_found"


async def publish_plan(
    session: AsyncSession, clock: Clock, terms: PlanTerms, listed: bool | None = None
) -> PlanVersion:
    """Store terms as the plan's next version. Identical terms return the existing version.

    `listed` sets whether the plan is offered to customers; None leaves it unchanged (new plans
    are listed).
    """
    version_id = terms.version_id()
    existing = await session.get(PlanVersion, version_id)
    if existing is not None and listed is None:
        return existing  # without the lock: no version is numbered
    await session.execute(text("select pg_advisory_xact_lock(:lock)"), {"lock": _ADVISORY_LOCK_ID})
    if listed is not None:
        await _set_listed(session, terms, listed)
    existing = await session.get(PlanVersion, version_id)
    if existing is not None:
        return existing
    last = select(func.max(PlanVersion.number)).where(
        col(PlanVersion.plan) == terms.plan, col(PlanVersion.currency) == terms.currency
    )
    version = PlanVersion(
        id=version_id,
        plan=terms.plan,
        currency=terms.currency,
        number=((await session.execute(last)).scalar_one() or 0) + 1,
        terms=terms.canonical_json().decode(),
        created_at=clock.now(),
    )
    session.add(version)
    await session.flush()
    return version


async def find_plan_version(
    session: AsyncSession, plan: str, currency: str, number: int | None = None
) -> PlanVersion:
    """Return a version of a plan, the newest unless a number is given. Raises PlanNotFound."""
    query = select(PlanVersion).where(
        col(PlanVersion.plan) == plan, col(PlanVersion.currency) == currency
    )
    if number is not None:
        query = query.where(col(PlanVersion.number) == number)
    statement = query.order_by(col(PlanVersion.number).desc()).limit(1)
    version = (await session.scalars(statement)).one_or_none()
    if version is None or plan == PACK_PLAN:
        raise plan_not_found(plan, currency, number)
    return version


def plan_not_found(plan: str, currency: str, number: int | None = None) -> PlanNotFound:
    """Build the error for a plan or version that does not exist."""
    which = "" if number is None else f" version {number}"
    return PlanNotFound(f"Plan not found: {plan[:60]!r}{which} in {currency}.", param="plan")


async def list_plan_versions(session: AsyncSession) -> list[PlanVersion]:
    """List all versions of all plans, by plan, currency and number. Packs are no plans."""
    order = col(PlanVersion.plan), col(PlanVersion.currency), col(PlanVersion.number)
    query = select(PlanVersion).where(col(PlanVersion.plan) != PACK_PLAN)
    return list(await session.scalars(query.order_by(*order)))


async def is_listed(session: AsyncSession, plan: str, currency: str) -> bool:
    """Return whether a plan is offered to customers."""
    return (plan, currency) not in await list_unlisted_plans(session)


async def list_unlisted_plans(session: AsyncSession) -> set[tuple[str, str]]:
    """Return the plans (name, currency) that are not offered to customers."""
    rows = await session.execute(select(UnlistedPlan.plan, UnlistedPlan.currency))
    return {(plan, currency) for plan, currency in rows}


async def load_terms(session: AsyncSession, version_ids: Iterable[UUID]) -> dict[UUID, PlanTerms]:
    """Return the terms of plan versions by id; unknown ids are left out.

    Terms are immutable, so they are cached in the session: billing reads them repeatedly.
    """
    requested_ids = set(version_ids)
    cached: dict[UUID, PlanTerms] = session.info.setdefault("terms", {})
    if missing_ids := requested_ids - cached.keys():
        query = select(PlanVersion.id, PlanVersion.terms).where(
            col(PlanVersion.id).in_(missing_ids)
        )
        for version_id, terms_json in (await session.execute(query)).all():
            cached[version_id] = parse_terms(terms_json.encode())
    return {version_id: cached[version_id] for version_id in requested_ids if version_id in cached}


async def _set_listed(session: AsyncSession, terms: PlanTerms, listed: bool) -> None:
    """Offer the terms' plan to customers in its currency if `listed`, else hide it."""
    if listed:
        await session.execute(
            delete(UnlistedPlan).where(
                col(UnlistedPlan.plan) == terms.plan, col(UnlistedPlan.currency) == terms.currency
            )
        )
        return
    hidden = insert(UnlistedPlan).values(plan=terms.plan, currency=terms.currency)
    await session.execute(hidden.on_conflict_do_nothing())
