"""The `maas` command for operators, with the table of its subcommands."""

from importlib.metadata import version
from typing import Annotated

import typer

from gateway.cli.lazy_group import Command, lazy_group

COMMANDS = (
    Command("up", "gateway.cli.up:up_all", "Start everything on this machine; Ctrl-C stops it."),
    Command("migrate", "gateway.cli.database:migrate_now", "Bring the database to this version."),
    Command("backup", "gateway.cli.database:back_up_now", "Write the whole database to a file."),
    Command("restore", "gateway.cli.database:restore_now", "Bring a backup back."),
    Command("demo", "gateway.cli.demo:demo", "Three example firms, to look at the dashboard."),
    Command("accounts", "gateway.cli.accounts:accounts_app", "The firms that call and pay."),
    Command("keys", "gateway.cli.accounts:keys_app", "An account's API keys."),
    Command("people", "gateway.cli.people:people_app", "Who signs in to the dashboard."),
    Command("entities", "gateway.cli.entities:entities_app", "The legal entities that sell."),
    Command(
        "limits", "gateway.cli.limits:limits_app", "What accounts and keys may spend and call."
    ),
    Command("alerts", "gateway.cli.alerts:alerts_app", "Who is told of what was used."),
    Command(
        "models",
        "gateway.cli.models:models_app",
        "The models that are sold, with prices; ratings, and versions of shared ones.",
    ),
    Command("files", "gateway.cli.files:files_app", "Check training files before a job."),
    Command(
        "usage",
        "gateway.cli.usage:usage_list",
        "Calls with request id, status, usage and cost; --follow shows new ones.",
    ),
    Command(
        "top", "gateway.cli.top.command:top", "A running gateway at this moment; Ctrl-C ends it."
    ),
    Command("plans", "gateway.cli.plans:plans_app", "What is sold, in versions that never change."),
    Command("subscribe", "gateway.cli.plans:subscribe", "Put an account on a plan."),
    Command("subscriptions", "gateway.cli.plans:subscriptions_app", "Who is on which plan."),
    Command("billing", "gateway.cli.billing:billing_app", "How accounts are billed."),
    Command("invoices", "gateway.cli.invoices:invoices_app", "What accounts were billed."),
    Command("wallet", "gateway.cli.wallet:wallet_app", "What accounts have paid in advance."),
    Command(
        "outcomes",
        "gateway.cli.outcomes.main:outcomes_app",
        "Paid by effect: contracts, evidence and settlements.",
    ),
    Command(
        "reconcile", "gateway.cli.reconcile:reconcile_all", "Compare all records; 1 if they differ."
    ),
)


def main() -> None:
    """Run the CLI. An AppError is printed and ends the process with exit code 1."""
    build_app()()


def build_app() -> typer.Typer:
    """Return the Typer application; commands are imported when they are used."""
    app = typer.Typer(
        name="maas",
        cls=lazy_group(COMMANDS),
        help="Model as a Service: serve, meter and bill industrial models.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
    )
    app.callback()(_root_callback)
    return app


def _show_version(requested: bool) -> None:
    """Print the version and exit, for the eager option `--version`."""
    if requested:
        typer.echo(f"maas {version('maas-gateway')}")
        raise typer.Exit


def _root_callback(
    _version: Annotated[
        bool,
        typer.Option(
            "--version", help="Show the version and exit.", callback=_show_version, is_eager=True
        ),
    ] = False,
) -> None:
    """Model as a Service: serve, meter and bill industrial models."""
