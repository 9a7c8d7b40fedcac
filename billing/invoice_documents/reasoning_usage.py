"""Reasoning tokens of a billing period, which an invoice shows beside the output tokens.

They are a part of the output tokens and have no price: nothing is computed from them.
"""

from collections.abc import Mapping
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from billing.rating.statement import LineKind, StatementLine
from billing.subscriptions.usage_totals import NO_TERMS_ID

ReasoningByLine = Mapping[tuple[UUID, str, bool], int]
"""Reasoning tokens by plan version, product (model and tier) and whether the usage is late."""

_SELECT_REASONING = """
    select plan_version_id, model, late, sum(reasoning_tokens)
    from usage_total
    where account_id = :account and period_id = :period
      and settlement in ('complete', 'client_abort')
    group by 1, 2, 3
    having sum(reasoning_tokens) > 0
"""
_OUTPUT_TOKENS = "output_tokens"


async def load_reasoning_tokens(
    session: AsyncSession, account_id: UUID, period_id: UUID, list_version: UUID
) -> ReasoningByLine:
    """Load a period's reasoning tokens.

    `list_version` is the price list version that priced calls without terms.
    """
    params = {"account": account_id, "period": period_id}
    totals: dict[tuple[UUID, str, bool], int] = {}
    for version_id, model, late, tokens in await session.execute(text(_SELECT_REASONING), params):
        key = list_version if version_id == NO_TERMS_ID else version_id, model, late
        totals[key] = totals.get(key, 0) + int(tokens)
    return totals


def line_reasoning_tokens(line: StatementLine, reasoning: ReasoningByLine) -> int | None:
    """Return the reasoning tokens in the quantity of a line; None if it has none."""
    if line.meter != _OUTPUT_TOKENS or line.kind not in (LineKind.USAGE, LineKind.LATE_USAGE):
        return None
    return reasoning.get((line.version_id, line.model or "", line.kind is LineKind.LATE_USAGE))
