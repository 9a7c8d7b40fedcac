"""`maas reconcile`: compare usage, billing, engine counts and the collector; store the result."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from gateway.cli.process.supervisor import serving_base_url
from gateway.cli.results import Record, Report
from gateway.cli.runner import command
from gateway.operations.reconciliation import Reconciler, ReconciliationOptions
from gateway.process.integrations import create_checkout, create_collector
from gateway.upstream.load_balancer import Router
from gateway.upstream.server_specs import parse_upstreams
from infra.clock import Clock
from infra.database.database import Database
from infra.settings import Settings
from models.catalog import load_configured_catalog


@command
async def reconcile_all(
    database: Database,
    settings: Settings,
    clock: Clock,
    all_rows: Annotated[
        bool,
        typer.Option(
            help="Check the cost of all calls, also of those that were found correct before."
        ),
    ] = False,
    correct: Annotated[
        bool,
        typer.Option(help="Append a correction for each call whose cost is wrong."),
    ] = False,
) -> Report:
    """Check that usage, limits, invoices and the ledger agree.

    Also compares them with the token counts of the engines, with Stripe's invoices, and with the
    payments at WeChat Pay and Alipay. Exits with code 1 if there is a difference.
    """
    router = Router(parse_upstreams(serving_base_url(settings)), clock)
    catalog, collector = load_configured_catalog(settings), create_collector(settings)
    checkout = create_checkout(settings, clock, database)
    reconciler = Reconciler(database, clock, catalog, router, collector, checkout)
    try:
        return _report(await reconciler.run(ReconciliationOptions(all_rows, correct)))
    finally:
        await checkout.close()
        if collector is not None:
            await collector.close()


def _report(result: Mapping[str, Any]) -> Report:
    """Return the printable result of all checks; its exit code is 1 if there are differences."""
    engines, differences = result["engines"], result["differences"]
    figures = {name: result[name] for name in result if name not in ("engines", "differences")}
    title = "Differences found." if differences else "All records agree."
    sections = [
        Record(title, {**figures, "differences": len(differences)}),
        *(Record("Tokens counted by an engine:", engine) for engine in engines),
        *(Record("Difference:", difference) for difference in differences),
    ]
    return Report(result, sections, exit_code=1 if differences else 0)
