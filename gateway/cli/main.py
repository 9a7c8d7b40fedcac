"""The `maas` command for operators, with the table of its subcommands."""

from importlib.metadata import version
from typing import Annotated

import typer

from gateway.cli.lazy_group import Command, lazy_group

COMMANDS = (
    Command("up", "gateway.cli.process.up:up_all", "Start the whole service on this machine."),
    Command(
        "migrate",
        "gateway.cli.process.database:migrate_now",
        "Migrate the database to this version.",
    ),
    Command(
        "backup", "gateway.cli.process.database:back_up_now", "Back up the database to a file."
    ),
    Command("restore", "gateway.cli.process.database:restore_now", "Restore a database backup."),
    Command(
        "demo", "gateway.cli.process.demo:demo", "Create example companies to try the dashboard."
    ),
    Command("accounts", "gateway.cli.accounts:accounts_app", "Manage accounts."),
    Command("keys", "gateway.cli.accounts:keys_app", "Manage API keys."),
    Command(
        "projects",
        "gateway.cli.projects.commands:projects_app",
        "Manage projects: budgets, keys, people and service accounts.",
    ),
    Command(
        "admin-keys",
        "gateway.cli.admin_keys:admin_keys_app",
        "Manage admin keys of the platform for the Admin API.",
    ),
    Command("people", "gateway.cli.people:people_app", "Manage people who use the dashboard."),
    Command("signups", "gateway.cli.signups:signups_app", "Review sign-ups and release companies."),
    Command(
        "entities",
        "gateway.cli.entities:entities_app",
        "Manage the legal entities that issue invoices.",
    ),
    Command(
        "limits", "gateway.cli.limits:limits_app", "Manage credit limits, budgets and rate limits."
    ),
    Command("alerts", "gateway.cli.alerts:alerts_app", "Manage usage alerts."),
    Command(
        "notifications",
        "gateway.cli.notifications:notifications_app",
        "Manage notification endpoints and deliveries.",
    ),
    Command(
        "incidents",
        "gateway.cli.incidents:incidents_app",
        "Open, update and resolve incidents, about which customers are notified.",
    ),
    Command("guards", "gateway.cli.guards:guards_app", "Manage guards of accounts."),
    Command(
        "models",
        "gateway.cli.models.commands:models_app",
        "List models and prices, or manage versions of shared models.",
    ),
    Command(
        "variants",
        "gateway.cli.models.variants:variants_app",
        "Manage customers' fine-tuned models.",
    ),
    Command("batches", "gateway.cli.batches:batches_app", "Manage batches of calls."),
    Command("files", "gateway.cli.files:files_app", "Check training files."),
    Command("tags", "gateway.cli.tags:tags_app", "Align a plant's tags with concepts."),
    Command(
        "plant",
        "gateway.cli.plant.commands:plant_app",
        "Import, export, align and list an account's plant model, and trace items.",
    ),
    Command(
        "agents",
        "gateway.cli.agents.app:agents_app",
        "Manage agents that watch assets, and decide about their actions.",
    ),
    Command(
        "node",
        "gateway.cli.nodes.commands:node_app",
        "Run an identifier node and manage its prefixes, keys and records.",
    ),
    Command(
        "connector",
        "gateway.cli.plant.connector:connector",
        "Forward readings of OPC UA servers to a gateway.",
    ),
    Command("usage", "gateway.cli.billing.usage:usage_list", "List calls with usage and cost."),
    Command(
        "decision-records",
        "gateway.cli.decision_records:decision_records_app",
        "List, show and verify signed decision records.",
    ),
    Command(
        "predictions",
        "gateway.cli.outcomes.predictions:predictions_app",
        "Record, list, score and verify predictions of the prediction ledger.",
    ),
    Command(
        "margin",
        "gateway.cli.billing.margin:margin",
        "Show usage charges, upstream costs and margins.",
    ),
    Command(
        "deferred-revenue",
        "gateway.cli.billing.deferred_revenue:deferred_revenue",
        "Show fees invoiced in advance and not yet recognized.",
    ),
    Command("top", "gateway.cli.top.command:top", "Monitor a running gateway."),
    Command("plans", "gateway.cli.billing.plans:plans_app", "Manage plans."),
    Command("subscribe", "gateway.cli.billing.plans:subscribe", "Subscribe an account to a plan."),
    Command(
        "subscriptions", "gateway.cli.billing.plans:subscriptions_app", "Manage subscriptions."
    ),
    Command(
        "billing",
        "gateway.cli.billing.settings:billing_app",
        "Manage billing settings of accounts.",
    ),
    Command(
        "invoices", "gateway.cli.billing.invoices:invoices_app", "Manage invoices and payments."
    ),
    Command(
        "bank-statements",
        "gateway.cli.billing.bank_statements:bank_statements_app",
        "Match bank transfers to invoices and confirm payments.",
    ),
    Command(
        "fapiao", "gateway.cli.billing.fapiao:fapiao_app", "Issue fapiao and store their files."
    ),
    Command(
        "payments",
        "gateway.cli.billing.payments:payments_app",
        "Manage payments by WeChat Pay and Alipay.",
    ),
    Command(
        "credit",
        "gateway.cli.billing.credit:credit_app",
        "Manage credit policies, deposits, guarantees and exposure.",
    ),
    Command("wallet", "gateway.cli.billing.wallet:wallet_app", "Manage prepaid credit."),
    Command(
        "packs", "gateway.cli.billing.packs:packs_app", "Offer, sell and refund prepaid packs."
    ),
    Command("vouchers", "gateway.cli.billing.vouchers:vouchers_app", "Create and redeem vouchers."),
    Command(
        "outcomes",
        "gateway.cli.outcomes.main:outcomes_app",
        "Manage outcome contracts, evidence, settlements and disputes.",
    ),
    Command(
        "reconcile",
        "gateway.cli.billing.reconcile:reconcile_all",
        "Check that usage, limits, invoices and the ledger agree.",
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
