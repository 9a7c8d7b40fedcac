"""`maas entities`: the legal entities that sell, each with invoice numbers of its own."""

from typing import Annotated, Any

import typer
from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.entities import (
    EntityWish,
    change_entity,
    entity_json,
    list_entities,
    open_entity,
)
from gateway.cli.output import Terminal
from gateway.cli.runner import Json, tell, with_database
from infra.clock import SystemClock
from infra.settings import Settings

entities_app = typer.Typer(no_args_is_help=True)
_COLUMNS = ("code", "name", "address", "tax_number")
Code = Annotated[str, typer.Argument(help="As ACME: its invoices are ACME-000001 and so on.")]
Address = Annotated[str | None, typer.Option(help="As invoices show it.")]
TaxNumber = Annotated[str | None, typer.Option(help="As invoices show it.")]


@entities_app.command("list")
def entities_list(as_json: Json = False) -> None:
    """Those who sell. The first sells to new accounts."""

    def work(settings: Settings, terminal: Terminal) -> None:
        async def read(session: AsyncSession) -> list[dict[str, Any]]:
            return [entity_json(one) for one in await list_entities(session)]

        terminal.table(with_database(settings, read), _COLUMNS)

    tell(as_json, work)


@entities_app.command("add")
def entities_add(
    code: Code,
    name: Annotated[str, typer.Option(help="As invoices show it.")],
    address: Address = None,
    tax_number: TaxNumber = None,
    as_json: Json = False,
) -> None:
    """Add one. `maas billing set ACCOUNT --seller CODE` lets it sell."""

    def work(settings: Settings, terminal: Terminal) -> None:
        async def write(session: AsyncSession) -> dict[str, Any]:
            wish = EntityWish(name, address, tax_number)
            return entity_json(await open_entity(session, SystemClock(), code, wish))

        terminal.record("It can sell:", with_database(settings, write))

    tell(as_json, work)


@entities_app.command("change")
def entities_change(
    code: Code,
    name: Annotated[str | None, typer.Option(help="As invoices show it.")] = None,
    address: Address = None,
    tax_number: TaxNumber = None,
    as_json: Json = False,
) -> None:
    """Change what invoices say of it from now on; final invoices stay as they are."""

    def work(settings: Settings, terminal: Terminal) -> None:
        async def write(session: AsyncSession) -> dict[str, Any]:
            wish = EntityWish(name, address, tax_number)
            return entity_json(await change_entity(session, code, wish))

        terminal.record("Invoices say from now on:", with_database(settings, write))

    tell(as_json, work)
