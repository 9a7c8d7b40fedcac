"""`maas vouchers`: create codes, redeem and cancel them, report."""

from typing import Annotated

import typer
from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.accounts import get_account
from billing.prepaid.views import batch_json, redemption_json, voucher_report_json
from billing.prepaid.vouchers import (
    NewBatch,
    VoucherBatchInvalid,
    report_vouchers,
)
from gateway.cli.results import Record, Report, Table
from gateway.cli.runner import AccountName, command
from gateway.identity.audit_log import CLI_ACTOR
from gateway.operations.parsing import parse_instant, parse_minor
from gateway.operations.prepaid import cancel_vouchers, issue_vouchers, parse_batch_id, redeem_code
from infra.clock import Clock
from infra.database.database import Database

vouchers_app = typer.Typer(no_args_is_help=True)
_COLUMNS = ("id", "name", "amount", "currency", "codes", "redeemed", "outstanding", "expires_at")


@vouchers_app.command("create")
@command
async def vouchers_create(
    session: AsyncSession,
    clock: Clock,
    name: Annotated[str, typer.Argument(help="Name of the batch, such as the campaign.")],
    codes: Annotated[int, typer.Option(help="Number of codes, at most 10000.")],
    expires_at: Annotated[str, typer.Option(help="Codes are valid until then, e.g. 2027-01-01.")],
    amount: Annotated[str | None, typer.Option(help="Promotional credit of each code.")] = None,
    pack: Annotated[str | None, typer.Option(help="Prepaid pack of each code.")] = None,
    currency: Annotated[str, typer.Option(help="Currency.")] = "CNY",
    credit_days: Annotated[
        int | None, typer.Option(help="Credit expires so many days after redemption.")
    ] = None,
    max_uses: Annotated[int, typer.Option(help="How often a code can be redeemed.")] = 1,
    per_account: Annotated[int, typer.Option(help="Codes of the batch per account.")] = 1,
    plan: Annotated[
        list[str] | None, typer.Option(help="Only for accounts on this plan. Repeatable.")
    ] = None,
    new_customers: Annotated[
        bool, typer.Option("--new-customers", help="Only accounts without a final invoice.")
    ] = False,
) -> Report:
    """Create voucher codes. They are shown once: only their hashes are stored."""
    minor = None if amount is None else parse_minor(amount, currency, VoucherBatchInvalid)
    new = NewBatch(
        name=name,
        currency=currency,
        codes=codes,
        expires_at=parse_instant(expires_at, VoucherBatchInvalid),
        minor=minor,
        pack=pack,
        credit_days=credit_days,
        max_uses=max_uses,
        per_account=per_account,
        plans=tuple(plan) if plan else None,
        new_customers_only=new_customers,
    )
    batch, made = await issue_vouchers(session, clock, CLI_ACTOR, new)
    shown = batch_json(batch)
    table = Table([{"code": code} for code in made], ("code",))
    return Report({**shown, "codes": made}, (Record("Vouchers created.", shown), table))


@vouchers_app.command("list")
@command
async def vouchers_list(session: AsyncSession, clock: Clock) -> Table:
    """List batches with redeemed and outstanding codes, newest first."""
    reports = await report_vouchers(session, clock.now())
    return Table([voucher_report_json(one) for one in reports], _COLUMNS)


@vouchers_app.command("cancel")
@command
async def vouchers_cancel(
    session: AsyncSession,
    clock: Clock,
    batch: Annotated[str, typer.Argument(help="Batch ID (vbatch_…).")],
) -> Record:
    """Cancel a batch: its codes cannot be redeemed any more. Given credit stays."""
    canceled = await cancel_vouchers(session, clock, CLI_ACTOR, parse_batch_id(batch))
    return Record("Vouchers canceled.", batch_json(canceled))


@vouchers_app.command("redeem")
@command
async def vouchers_redeem(
    database: Database,
    clock: Clock,
    account: AccountName,
    code: Annotated[str, typer.Argument(help="Voucher code.")],
) -> Record:
    """Redeem a voucher for an account."""
    async with database.transaction() as session:
        owner = await get_account(session, account)
    redemption = await redeem_code(database, clock, CLI_ACTOR, owner.id, code)
    return Record("Voucher redeemed.", {"account": owner.name, **redemption_json(redemption)})
