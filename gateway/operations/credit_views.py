"""Credit of the whole book as JSON: exposure, deposits, replayed decisions.

What the Admin API, the pages and the commands show.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.accounts import ACCOUNT_ID_PREFIX
from billing.credit.deposits import deposit_balance, list_deposit_movements
from billing.credit.exposure import AccountExposure, ScopeExposure
from billing.credit.publication import PolicyPublication
from billing.credit.replay import ReplayResult
from billing.credit.views import DECISION_ID_PREFIX, deposit_to_json
from billing.money import minor_text
from billing.tables import Account, DepositMovement
from infra import ids


def exposure_json(
    scopes: Sequence[ScopeExposure], accounts: Sequence[AccountExposure], currency: str
) -> dict[str, Any]:
    """Return the exposure by scope, and of accounts in a currency; amounts as decimal text."""
    return {
        "scopes": [
            {
                "scope": one.scope.value,
                "subject": one.subject,
                "currency": one.currency,
                "exposure": minor_text(one.exposure, one.currency),
                "limit": None if one.limit is None else minor_text(one.limit, one.currency),
            }
            for one in scopes
        ],
        "accounts": [
            {
                "account": one.account_name,
                "id": ids.format_id(ACCOUNT_ID_PREFIX, one.account_id),
                "policy": one.policy,
                "exposure": minor_text(one.exposure, currency),
                "credit_limit": minor_text(one.limit, currency),
                "owed": minor_text(one.owed, currency),
                "deposit": minor_text(one.deposit, currency),
            }
            for one in accounts
        ],
    }


def replay_json(result: ReplayResult) -> dict[str, Any]:
    """Return the number of replayed decisions and the differences, limits in minor units."""
    rows = [
        {
            "decision": ids.format_id(DECISION_ID_PREFIX, one.decision_id),
            "account": ids.format_id(ACCOUNT_ID_PREFIX, one.account_id),
            "stored_minor": one.stored,
            "expected_minor": one.expected,
            "problem": one.problem,
        }
        for one in result.differences
    ]
    return {"decisions": result.decisions, "differences": len(rows), "rows": rows}


def policy_publication_json(publication: PolicyPublication) -> dict[str, Any]:
    """Return what publishing a credit policy would do, with the first accounts by name."""
    currency = publication.policy.currency
    return {
        "object": "credit.policy_publication",
        "policy": publication.policy.policy,
        "currency": currency,
        "number": publication.number,
        "creates_version": publication.is_new,
        "account_count": publication.account_count,
        "accounts": [
            {
                "id": ids.format_id(ACCOUNT_ID_PREFIX, one.account_id),
                "name": one.name,
                "limit": minor_text(one.limit, currency),
                "new_limit": minor_text(one.new_limit, currency),
            }
            for one in publication.accounts
        ],
    }


async def deposit_json(session: AsyncSession, owner: Account) -> dict[str, Any]:
    """Return an account's deposit and its movements, the newest first."""
    movements = await list_deposit_movements(session, owner.id)
    return {
        "balance": minor_text(await deposit_balance(session, owner.id), owner.currency),
        "currency": owner.currency,
        "movements": [deposit_to_json(row, owner.currency) for row in movements],
    }


async def deposit_movement_json(
    session: AsyncSession, row: DepositMovement, currency: str
) -> dict[str, Any]:
    """Return a movement with the account's deposit after it."""
    balance = minor_text(await deposit_balance(session, row.account_id), currency)
    return {**deposit_to_json(row, currency), "balance": balance}
