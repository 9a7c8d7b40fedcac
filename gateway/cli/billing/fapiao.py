"""`maas fapiao`: issue fapiao in batches, import results, store files, set tax codes."""

from pathlib import Path
from typing import Annotated, Any

import typer
from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.accounts import get_account
from billing.fapiao.batch_file import BatchFileProvider
from billing.fapiao.categories import load_categories
from billing.fapiao.errors import FapiaoNotFound
from billing.fapiao.issuing import (
    BATCH_ID_PREFIX,
    ExportedBatch,
    list_open_fapiaos,
    repeat_batch,
)
from billing.fapiao.layout import load_layout
from billing.fapiao.lines import Category
from billing.fapiao.provider import ProviderFile
from billing.fapiao.red_letters import request_due_red_letters
from billing.fapiao.requests import list_fapiaos
from billing.fapiao.titles import list_titles
from billing.fapiao.views import title_to_json
from gateway.cli.results import Record, Report, Table
from gateway.cli.runner import AccountName, command
from gateway.identity.audit_log import CLI_ACTOR
from gateway.operations.fapiao import (
    attach_file,
    change_category,
    export_requested,
    find_any_fapiao,
    import_results,
    reject_request,
)
from gateway.operations.fapiao_views import render_fapiao, render_fapiaos
from infra import ids
from infra.clock import Clock
from infra.database.database import Database

fapiao_app = typer.Typer(no_args_is_help=True)
categories_app = typer.Typer(no_args_is_help=True)
fapiao_app.add_typer(categories_app, name="categories", help="Manage tax codes of products.")
_COLUMNS = ("serial", "colour", "status", "invoice_number", "total", "number", "buyer", "reason")
Name = Annotated[str, typer.Argument(help="Serial number, fapiao number or ID (fp_…).")]
ExistingFile = Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="File to read.")]
Product = Annotated[
    str,
    typer.Argument(help="Model, fixed_fee, outcome or minimum; * for all others."),
]


@fapiao_app.command("list")
@command
async def fapiao_list(
    session: AsyncSession,
    account: Annotated[
        str | None, typer.Option(help="Account: all of its fapiao. Default: all open ones.")
    ] = None,
    limit: Annotated[
        int, typer.Option(min=1, max=10_000, help="Maximum number to list of an account.")
    ] = 50,
) -> Table:
    """List fapiao that wait to be issued, or all of an account."""
    if account is None:
        rows = await list_open_fapiaos(session)
    else:
        rows = await list_fapiaos(session, (await get_account(session, account)).id, limit)
    shown = await render_fapiaos(session, rows)
    return Table([{**row, "buyer": row["title"]["name"]} for row in shown], _COLUMNS)


@fapiao_app.command("titles")
@command
async def fapiao_titles(session: AsyncSession, account: AccountName) -> Table:
    """List an account's buyer titles, the default first."""
    owner = await get_account(session, account)
    rows = [title_to_json(title) for title in await list_titles(session, owner.id)]
    return Table(rows, ("name", "tax_number", "kind", "email", "is_default", "id"))


@fapiao_app.command("export")
@command
async def fapiao_export(
    database: Database,
    clock: Clock,
    out: Annotated[Path, typer.Option(file_okay=False, help="Folder to write to.")],
    by: Annotated[str, typer.Option(help="Name of the person who issues.")],
    seller: Annotated[
        str | None, typer.Option(help="Legal entity to issue for, if several have requests.")
    ] = None,
    template: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="Workbook downloaded from the platform."),
    ] = None,
    batch: Annotated[
        str | None, typer.Option(help="Batch ID (fpb_…), to write an earlier batch again.")
    ] = None,
) -> Report:
    """Export requested fapiao as workbooks for the electronic tax platform.

    fapiao.xlsx is imported there; red-letters.xlsx lists the red letters to enter.
    """
    workbook = None if template is None else template.read_bytes()
    provider = BatchFileProvider(load_layout(), workbook)
    await request_due_red_letters(database, clock)
    async with database.transaction() as session:
        if batch is None:
            done = await export_requested(session, clock, CLI_ACTOR, provider, by, seller)
        else:
            done = await repeat_batch(session, provider, _parse_batch_id(batch))
    return _report_batch(done, out)


@fapiao_app.command("import")
@command
async def fapiao_import(session: AsyncSession, clock: Clock, file: ExistingFile) -> Report:
    """Import a result list (Excel or CSV) of the electronic tax platform.

    Exits with code 1 if rows do not match. Importing a list again changes nothing.
    """
    provider = BatchFileProvider(load_layout(), result=ProviderFile(file.name, file.read_bytes()))
    report = await import_results(session, clock, CLI_ACTOR, provider)
    problems = [
        {"row": row, "serial": serial, "problem": problem}
        for row, serial, problem in report.problems
    ]
    figures = {
        "issued": len(report.issued),
        "rejected": len(report.rejected),
        "known": report.known,
        "problems": len(problems),
    }
    sections = (Record("Results imported.", figures), Table(problems, ("row", "serial", "problem")))
    return Report({**figures, "problems": problems}, sections, exit_code=1 if problems else 0)


@fapiao_app.command("upload")
@command
async def fapiao_upload(
    session: AsyncSession,
    clock: Clock,
    files: Annotated[
        list[Path],
        typer.Argument(exists=True, dir_okay=False, help="OFD or PDF files, named by number."),
    ],
) -> Table:
    """Store OFD or PDF files of issued fapiao for their customers.

    Each file name contains the number of its fapiao, as the tax platform names them.
    """
    rows = []
    for file in files:
        fapiao = await find_any_fapiao(session, file.stem)
        stored = await attach_file(session, clock, CLI_ACTOR, fapiao, file.read_bytes())
        rows.append({"file": file.name, "serial": fapiao.serial, "format": stored})
    return Table(rows, ("file", "serial", "format"))


@fapiao_app.command("reject")
@command
async def fapiao_reject(
    session: AsyncSession,
    clock: Clock,
    fapiao: Name,
    reason: Annotated[str, typer.Argument(help="Reason, shown to the customer.")],
) -> Record:
    """Reject a fapiao that was not issued. Its amount can be requested again."""
    row = await find_any_fapiao(session, fapiao)
    rejected = await reject_request(session, clock, CLI_ACTOR, row, reason)
    return Record("Fapiao rejected.", await _summary(session, rejected))


@categories_app.command("list")
@command
async def categories_list(session: AsyncSession) -> Table:
    """List the tax codes of products; * applies to all others."""
    categories = await load_categories(session)
    rows = [
        {"product": product, "code": one.code, "item": one.item}
        for product, one in sorted(categories.items())
    ]
    return Table(rows, ("product", "code", "item"))


@categories_app.command("set")
@command
async def categories_set(
    session: AsyncSession,
    clock: Clock,
    product: Product,
    code: Annotated[str, typer.Argument(help="Tax code of goods and services, 19 digits.")],
    item: Annotated[str, typer.Argument(help="Item name on the fapiao.")],
) -> Record:
    """Set the tax code of a product, for fapiao requested from now on."""
    await change_category(session, clock, CLI_ACTOR, product, Category(code, item))
    return Record("Tax code set.", {"product": product, "code": code, "item": item})


@categories_app.command("remove")
@command
async def categories_remove(session: AsyncSession, clock: Clock, product: Product) -> Record:
    """Remove the tax code of a product; the default applies again."""
    await change_category(session, clock, CLI_ACTOR, product, None)
    return Record("Tax code removed.", {"product": product})


def _parse_batch_id(text: str) -> Any:
    """Parse a batch id. Raises FapiaoNotFound."""
    batch_id = ids.parse_id(BATCH_ID_PREFIX, text)
    if batch_id is None:
        raise FapiaoNotFound(f"{text[:60]!r} is not a batch ID (fpb_…).", param="batch")
    return batch_id


def _report_batch(done: ExportedBatch, out: Path) -> Report:
    """Write the files of a batch and return what was written."""
    out.mkdir(parents=True, exist_ok=True)
    for file in done.files:
        out.joinpath(file.name).write_bytes(file.content)
    written = [str(out / file.name) for file in done.files]
    value = {
        "batch": ids.format_id(BATCH_ID_PREFIX, done.batch.id),
        "fapiao": [row.serial for row in done.rows],
        "files": written,
    }
    shown = {**value, "fapiao": len(done.rows), "files": "\n  ".join(written)}
    return Report(value, (Record("Batch exported.", shown),))


async def _summary(session: AsyncSession, row: Any) -> dict[str, Any]:
    """Return the fields of a fapiao for the terminal."""
    shown = await render_fapiao(session, row)
    return {name: shown[name] for name in ("id", "serial", "status", "total", "number", "reason")}
