"""Replay: decide every stored decision again by its policy version and inputs."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.credit.decision import decide
from billing.credit.facts import parse_facts
from billing.credit.policy import CreditPolicy, parse_policy
from billing.tables import CreditDecision, CreditPolicyVersion

_PAGE = 500


@dataclass(frozen=True, slots=True)
class DecisionDifference:
    """A stored decision that its policy and inputs do not give; limits in minor units."""

    decision_id: UUID
    account_id: UUID
    stored: int
    expected: int
    problem: str


@dataclass(frozen=True, slots=True)
class ReplayResult:
    """The number of replayed decisions, and the differences."""

    decisions: int
    differences: tuple[DecisionDifference, ...]


async def replay_decisions(session: AsyncSession, account_id: UUID | None = None) -> ReplayResult:
    """Decide all stored decisions again, of one account or of all if None.

    For operators: reads across accounts without `account_id`.
    """
    policies: dict[UUID, tuple[CreditPolicy, int]] = {}
    for version in (await session.scalars(select(CreditPolicyVersion))).all():
        policies[version.id] = parse_policy(version.rules), version.number
    count, last = 0, None
    differences: list[DecisionDifference] = []
    while True:
        query = select(CreditDecision).order_by(col(CreditDecision.id)).limit(_PAGE)
        if account_id is not None:
            query = query.where(col(CreditDecision.account_id) == account_id)
        if last is not None:
            query = query.where(col(CreditDecision.id) > last)
        rows = (await session.scalars(query)).all()
        if not rows:
            return ReplayResult(count, tuple(differences))
        count, last = count + len(rows), rows[-1].id
        differences += [
            found
            for row in rows
            if (found := find_difference(row, *policies[row.policy_version_id])) is not None
        ]


def find_difference(
    row: CreditDecision, policy: CreditPolicy, number: int
) -> DecisionDifference | None:
    """Decide one stored decision again; return how it differs, None if it does not.

    `policy` and `number` are of the row's policy version.
    """
    again = decide(policy, parse_facts(row.inputs), row.decided_at)
    granted = again.limit if row.refusal is None else row.previous
    problem = ""
    if policy.version_id(number) != row.policy_version_id:
        problem = "the policy's rules do not match its id"
    elif (again.limit, again.earned) != (row.decided, row.earned):
        problem = "another limit was decided"
    elif again.reasons_json() != row.reasons:
        problem = "other reasons were stored"
    elif granted != row.granted:
        problem = "another limit was granted"
    if not problem:
        return None
    return DecisionDifference(row.id, row.account_id, row.granted, granted, problem)
