"""Plan versions: publishing terms and finding them again. A version is never changed.

Owns the table of versions, and which plans are offered to nobody: that is of a plan and no part of
any terms, so it can change.
"""

from collections.abc import Iterable
from uuid import UUID

from sqlalchemy import delete, func, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.rating.terms import PlanTerms, read_terms
from billing.tables import PlanVersion, UnlistedPlan
from infra.clock import Clock
from infra.errors import AppError

_LOCK = 0x706C616E  # "plan": versions of a plan are numbered one after another


class PlanNotFound(AppError):
    """There is no plan of this name, or no such version of it, in this currency."""

    status = 404
    type = "invalid_request_error"
    code = "plan_not_found"


async def publish(
    session: AsyncSession, clock: Clock, terms: PlanTerms, listed: bool | None = None
) -> PlanVersion:
    """Keep the terms as the plan's next version; the same terms again are the same version.

    `listed` says whether the plan is offered; None leaves it as it is, and offers a new one.
    """
    await session.execute(text("select pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    if listed is not None:
        await _list(session, terms, listed)
    version_id = terms.version_id()
    found = await session.get(PlanVersion, version_id)
    if found is not None:
        return found
    last = select(func.max(PlanVersion.number)).where(
        col(PlanVersion.plan) == terms.plan, col(PlanVersion.currency) == terms.currency
    )
    version = PlanVersion(
        id=version_id,
        plan=terms.plan,
        currency=terms.currency,
        number=((await session.execute(last)).scalar_one() or 0) + 1,
        terms=terms.text().decode(),
        created_at=clock.now(),
    )
    session.add(version)
    await session.flush()
    return version


async def find_version(
    session: AsyncSession, plan: str, currency: str, number: int | None = None
) -> PlanVersion:
    """A version of a plan, the newest unless a number is given. Raises PlanNotFound."""
    query = select(PlanVersion).where(
        col(PlanVersion.plan) == plan, col(PlanVersion.currency) == currency
    )
    if number is not None:
        query = query.where(col(PlanVersion.number) == number)
    newest = query.order_by(col(PlanVersion.number).desc()).limit(1)
    found = (await session.scalars(newest)).one_or_none()
    if found is None:
        raise no_such_plan(plan, currency, number)
    return found


def no_such_plan(plan: str, currency: str, number: int | None = None) -> PlanNotFound:
    which = "" if number is None else f" version {number}"
    return PlanNotFound(f"There is no plan {plan[:60]!r}{which} in {currency}.", param="plan")


async def list_versions(session: AsyncSession) -> list[PlanVersion]:
    """All versions of all plans, by plan and number."""
    order = col(PlanVersion.plan), col(PlanVersion.currency), col(PlanVersion.number)
    return list(await session.scalars(select(PlanVersion).order_by(*order)))


async def is_listed(session: AsyncSession, plan: str, currency: str) -> bool:
    return (plan, currency) not in await unlisted_plans(session)


async def unlisted_plans(session: AsyncSession) -> set[tuple[str, str]]:
    """The plans that are offered to nobody, with their currencies."""
    rows = await session.execute(select(UnlistedPlan.plan, UnlistedPlan.currency))
    return {(plan, currency) for plan, currency in rows}


async def terms_of(session: AsyncSession, version_ids: Iterable[UUID]) -> dict[UUID, PlanTerms]:
    """The terms of versions, by id; those that are not kept are left out.

    Asked for again and again while an account is billed, and never changed: one look for each.
    """
    wanted = set(version_ids)
    known: dict[UUID, PlanTerms] = session.info.setdefault("terms", {})
    if unknown := wanted - known.keys():
        query = select(PlanVersion.id, PlanVersion.terms).where(col(PlanVersion.id).in_(unknown))
        for version_id, said in (await session.execute(query)).all():
            known[version_id] = read_terms(said.encode())
    return {version_id: known[version_id] for version_id in wanted if version_id in known}


async def _list(session: AsyncSession, terms: PlanTerms, listed: bool) -> None:
    if listed:
        await session.execute(
            delete(UnlistedPlan).where(
                col(UnlistedPlan.plan) == terms.plan, col(UnlistedPlan.currency) == terms.currency
            )
        )
        return
    hidden = insert(UnlistedPlan).values(plan=terms.plan, currency=terms.currency)
    await session.execute(hidden.on_conflict_do_nothing())
