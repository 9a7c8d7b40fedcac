"""`maas usage`: what was called.

Owns the command's arguments and what it shows. Does not own usage (billing/metering/usage.py).
"""

from typing import Annotated, Any

import typer
from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.accounts import get_account
from billing.metering.usage import list_usage, show_usage
from billing.rating.quantities import METERS
from gateway.console import Json, tell, with_database
from gateway.terminal import Terminal
from infra.settings import Settings


def usage_list(
    account: Annotated[str | None, typer.Option(help="Only this account (id or name).")] = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="At most so many calls.")] = 50,
    as_json: Json = False,
) -> None:
    """The newest calls: what each consumed and cost, and how it was settled."""

    def work(settings: Settings, terminal: Terminal) -> None:
        async def read(session: AsyncSession) -> list[dict[str, Any]]:
            owner = None if account is None else (await get_account(session, account)).id
            rows = await list_usage(session, account_id=owner, limit=limit)
            return [show_usage(row) for row in rows]

        rows = with_database(settings, read)
        if not as_json:
            rows = [
                {**row, "at": row["started_at"][:19], "error": row["error_code"]} for row in rows
            ]
        consumed = (meter for meter in METERS if meter != "cached_input_tokens")
        columns = ("at", "model", "settlement", "error", *consumed, "cost", "currency")
        terminal.table(rows, columns)

    tell(as_json, work)
