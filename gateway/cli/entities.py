"""`maas entities`: legal entities that issue invoices, each with its own invoice numbers."""

from typing import Annotated

import typer
from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.entities import (
    EntityUpdate,
    create_entity,
    entity_to_json,
    list_entities,
    update_entity,
)
from gateway.cli.results import Record, Table
from gateway.cli.runner import command
from infra.clock import Clock

entities_app = typer.Typer(no_args_is_help=True)
_COLUMNS = ("code", "name", "address", "tax_number")
_NAME = "Name on invoices."
Code = Annotated[
    str, typer.Argument(help="Code of the entity, e.g. ACME. Its invoices are ACME-000001, ….")
]
Address = Annotated[str | None, typer.Option(help="Address on invoices.")]
TaxNumber = Annotated[str | None, typer.Option(help="Tax number on invoices.")]


@entities_app.command("list")
@command
async def entities_list(session: AsyncSession) -> Table:
    """List legal entities.

    The first one issues the invoices of new accounts.
    """
    return Table([entity_to_json(entity) for entity in await list_entities(session)], _COLUMNS)


@entities_app.command("add")
@command
async def entities_add(
    session: AsyncSession,
    clock: Clock,
    code: Code,
    name: Annotated[str, typer.Option(help=_NAME)],
    address: Address = None,
    tax_number: TaxNumber = None,
) -> Record:
    """Add a legal entity.

    Run `maas billing set ACCOUNT --seller CODE` to let it issue an account's invoices.
    """
    entity = await create_entity(session, clock, code, EntityUpdate(name, address, tax_number))
    return Record("Legal entity added.", entity_to_json(entity))


@entities_app.command("change")
@command
async def entities_change(
    session: AsyncSession,
    code: Code,
    name: Annotated[str | None, typer.Option(help=_NAME)] = None,
    address: Address = None,
    tax_number: TaxNumber = None,
) -> Record:
    """Update a legal entity.

    Applies to future invoices. Final invoices do not change.
    """
    entity = await update_entity(session, code, EntityUpdate(name, address, tax_number))
    return Record("Legal entity updated.", entity_to_json(entity))
