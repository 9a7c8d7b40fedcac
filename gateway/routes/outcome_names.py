"""Ids and pages of outcomes, as addresses name them.

Owns reading ids, each of which is absent where it is none, and a page of a list.
"""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from billing.documents.charge_parts import SETTLEMENT_PREFIX
from billing.outcomes.claims import PREFIX as OUTCOME_PREFIX
from billing.outcomes.claims import OutcomeNotFound
from billing.outcomes.disputes import PREFIX as DISPUTE_PREFIX
from billing.outcomes.disputes import DisputeNotFound
from billing.outcomes.evidence import PREFIX as EVIDENCE_PREFIX
from billing.outcomes.settlement import SettlementNotFound
from billing.outcomes.statements import StatementNotFound
from gateway.routes.paging import mark_of, shown_page
from infra import ids
from infra.db import Database
from infra.errors import AppError

Page = Callable[[AsyncSession, UUID, int, UUID | None], Awaitable[list[dict[str, Any]]]]


async def page_of(
    database: Database,
    account_id: UUID,
    page: Page,
    limit: int,
    mark: tuple[str, str | None],
) -> dict[str, Any]:
    """The rows after a mark, which is a prefix and an id. Raises ParameterInvalid."""
    found = mark_of(*mark)
    async with database.transaction() as session:
        rows = await page(session, account_id, limit + 1, found)
    return shown_page(rows, limit, lambda row: row)


def outcome_id(text: str) -> UUID:
    absent = OutcomeNotFound("The account has no such outcome.", param="outcome")
    return _id(OUTCOME_PREFIX, text, absent)


def settlement_id(text: str) -> UUID:
    absent = SettlementNotFound("The account has no such settlement.", param="settlement")
    return _id(SETTLEMENT_PREFIX, text, absent)


def dispute_id(text: str) -> UUID:
    absent = DisputeNotFound("The account has no such dispute.", param="dispute")
    return _id(DISPUTE_PREFIX, text, absent)


def evidence_id(text: str) -> UUID:
    absent = StatementNotFound("The contract has no such evidence.", param="evidence")
    return _id(EVIDENCE_PREFIX, text, absent)


def _id(prefix: str, text: str, absent: AppError) -> UUID:
    found = ids.parse(prefix, text)
    if found is None:
        raise absent
    return found
