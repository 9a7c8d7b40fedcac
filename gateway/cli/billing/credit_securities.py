"""`maas credit deposit` and `maas credit guarantee`."""

from typing import Annotated

import typer
from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.accounts import get_account
from billing.credit.errors import DepositInvalid, GuaranteeInvalid
from billing.credit.guarantees import list_guarantees
from billing.credit.views import guarantee_to_json
from billing.invoice_documents.invoice_list import find_invoice
from billing.tables import DepositMovement
from gateway.cli.results import Record, Report, Table
from gateway.cli.runner import AccountName, command
from gateway.identity.audit_log import CLI_ACTOR
from gateway.operations.accounts import AccountChange
from gateway.operations.credit import (
    record_deposit,
    record_guarantee,
    refund_deposit,
    use_deposit,
    withdraw_guarantee,
)
from gateway.operations.credit_views import deposit_json, deposit_movement_json
from gateway.operations.parsing import parse_instant, parse_minor
from infra.clock import Clock

deposit_app = typer.Typer(no_args_is_help=True)
guarantee_app = typer.Typer(no_args_is_help=True)
Amount = Annotated[str, typer.Argument(help="Amount in the account's currency, e.g. 5000.00.")]
Reference = Annotated[str, typer.Option(help="Unique reference. A repeated one changes nothing.")]
Reason = Annotated[str, typer.Option(help="Reason, for the audit log.")]


@deposit_app.command("show")
@command
async def deposit_show(session: AsyncSession, account: AccountName) -> Report:
    """Show an account's deposit and its movements, the newest first."""
    owner = await get_account(session, account)
    value = await deposit_json(session, owner)
    rows, figures = value["movements"], {name: value[name] for name in ("balance", "currency")}
    columns = ("created_at", "kind", "amount", "reference", "id")
    sections = (Record("Deposit:", figures), Table(rows, columns))
    return Report(value, sections)


@deposit_app.command("receive")
@command
async def deposit_receive(
    session: AsyncSession,
    clock: Clock,
    account: AccountName,
    amount: Amount,
    reference: Reference,
    reason: Reason = "Deposit received",
) -> Record:
    """Record a deposit that was received."""
    owner = await get_account(session, account)
    minor = parse_minor(amount, owner.currency, DepositInvalid)
    change = AccountChange(CLI_ACTOR, owner.id, reason)
    row = await record_deposit(session, clock, change, minor, reference)
    return await _report(session, row, owner.currency)


@deposit_app.command("return")
@command
async def deposit_return(
    session: AsyncSession,
    clock: Clock,
    account: AccountName,
    amount: Amount,
    reference: Reference,
    reason: Reason = "Deposit returned",
) -> Record:
    """Record that a deposit was paid back to the customer."""
    owner = await get_account(session, account)
    minor = parse_minor(amount, owner.currency, DepositInvalid)
    change = AccountChange(CLI_ACTOR, owner.id, reason)
    row = await refund_deposit(session, clock, change, minor, reference)
    return await _report(session, row, owner.currency)


@deposit_app.command("apply")
@command
async def deposit_apply(
    session: AsyncSession,
    clock: Clock,
    account: AccountName,
    invoice: Annotated[str, typer.Argument(help="Overdue invoice: number or ID (inv_…).")],
    reference: Reference,
    amount: Annotated[
        str | None, typer.Option(help="Amount. Default: as much as is owed and deposited.")
    ] = None,
    reason: Reason = "Deposit applied to an overdue invoice",
) -> Record:
    """Apply an account's deposit to an overdue invoice."""
    owner = await get_account(session, account)
    row = await find_invoice(session, owner.id, invoice)
    minor = None if amount is None else parse_minor(amount, owner.currency, DepositInvalid)
    change = AccountChange(CLI_ACTOR, owner.id, reason)
    movement = await use_deposit(session, clock, change, row.id, reference, minor)
    return await _report(session, movement, owner.currency)


@guarantee_app.command("list")
@command
async def guarantee_list(session: AsyncSession, clock: Clock, account: AccountName) -> Table:
    """List an account's guarantees, the newest first."""
    owner = await get_account(session, account)
    now = clock.now()
    rows = [
        guarantee_to_json(row, owner.currency, now)
        for row in await list_guarantees(session, owner.id)
    ]
    return Table(rows, ("guarantor", "amount", "valid_until", "status", "reference", "id"))


@guarantee_app.command("add")
@command
async def guarantee_add(
    session: AsyncSession,
    clock: Clock,
    account: AccountName,
    amount: Amount,
    guarantor: Annotated[str, typer.Option(help="Name of the guarantor.")],
    valid_until: Annotated[str, typer.Option(help="Date or time until which it is valid.")],
    reference: Reference,
    reason: Reason = "Guarantee received",
) -> Record:
    """Record a guarantee. One above the guarantor's exposure limit is recorded as refused."""
    owner = await get_account(session, account)
    minor = parse_minor(amount, owner.currency, GuaranteeInvalid)
    until = parse_instant(valid_until, GuaranteeInvalid)
    change = AccountChange(CLI_ACTOR, owner.id, reason)
    row = await record_guarantee(session, clock, change, guarantor, minor, until, reference)
    return Record("Guarantee recorded.", guarantee_to_json(row, owner.currency, clock.now()))


@guarantee_app.command("end")
@command
async def guarantee_end(
    session: AsyncSession,
    clock: Clock,
    account: AccountName,
    guarantee: Annotated[str, typer.Argument(help="Guarantee ID (guar_…).")],
    reason: Reason,
) -> Record:
    """End a guarantee now."""
    owner = await get_account(session, account)
    change = AccountChange(CLI_ACTOR, owner.id, reason)
    row = await withdraw_guarantee(session, clock, change, guarantee)
    return Record("Guarantee ended.", guarantee_to_json(row, owner.currency, clock.now()))


async def _report(session: AsyncSession, row: DepositMovement, currency: str) -> Record:
    """Report a movement with the account's deposit afterwards."""
    return Record("Deposit recorded.", await deposit_movement_json(session, row, currency))
