"""`maas models` and `maas usage`: what is sold, and what was called.

Owns the commands' arguments and what they show. Does not own the catalog (models/catalog.py) nor
usage (billing/metering/usage.py).
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
from models.catalog import load_catalog


def models_list(as_json: Json = False) -> None:
    """The models that are sold, with list prices in nano-units for one unit."""

    def work(settings: Settings, terminal: Terminal) -> None:
        rows = [
            {
                "id": model.id,
                "task": model.task.value,
                "context_length": model.context_length,
                "licence": model.licence,
                "description": model.description,
                "prices": {currency: dict(row) for currency, row in model.prices.items()},
            }
            for model in load_catalog(settings.profile).models.values()
        ]
        terminal.table(rows, ("id", "task", "context_length", "licence", "description"))

    tell(as_json, work)


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
