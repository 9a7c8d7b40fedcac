"""`maas entities`: legal entities that issue invoices, each with its own invoice numbers."""

from typing import Annotated, Any

import typer
from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.entities import (
    EntityUpdate,
    create_entity,
    entity_to_json,
    list_entities,
    update_entity,
)
from gateway.cli.output import Output
from gateway.cli.runner import Json, run_command, run_in_transaction
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

    def execute(settings: Settings, output: Output) -> None:
        async def load_entities(session: AsyncSession) -> list[dict[str, Any]]:
            return [entity_to_json(entity) for entity in await list_entities(session)]

        output.table(run_in_transaction(settings, load_entities), _COLUMNS)

    run_command(as_json, execute)


@entities_app.command("add")
def entities_add(
    code: Code,
    name: Annotated[str, typer.Option(help="As invoices show it.")],
    address: Address = None,
    tax_number: TaxNumber = None,
    as_json: Json = False,
) -> None:
    """Add one. `maas billing set ACCOUNT --seller CODE` lets it sell."""

    def execute(settings: Settings, output: Output) -> None:
        async def create(session: AsyncSession) -> dict[str, Any]:
            wish = EntityUpdate(name, address, tax_number)
            return entity_to_json(await create_entity(session, SystemClock(), code, wish))

        output.record("It can sell:", run_in_transaction(settings, create))

    run_command(as_json, execute)


@entities_app.command("change")
def entities_change(
    code: Code,
    name: Annotated[str | None, typer.Option(help="As invoices show it.")] = None,
    address: Address = None,
    tax_number: TaxNumber = None,
    as_json: Json = False,
) -> None:
    """Change what invoices say of it from now on; final invoices stay as they are."""

    def execute(settings: Settings, output: Output) -> None:
        async def update(session: AsyncSession) -> dict[str, Any]:
            wish = EntityUpdate(name, address, tax_number)
            return entity_to_json(await update_entity(session, code, wish))

        output.record("Invoices say from now on:", run_in_transaction(settings, update))

    run_command(as_json, execute)
