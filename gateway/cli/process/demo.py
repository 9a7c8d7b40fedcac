"""`maas demo`: example accounts with months of calls, invoices and an outcome contract."""

import asyncio
import secrets
from collections.abc import Callable, Sequence
from typing import Annotated, Any

import typer

from billing.accounts.accounts import ACCOUNT_ID_PREFIX
from billing.tables import Account
from gateway.access.price_book import PriceBook
from gateway.cli.output import Output
from gateway.cli.process.supervisor import FIRST_ACCOUNT
from gateway.cli.results import Record, Report, Table
from gateway.cli.runner import command
from gateway.demo.call_recorder import open_recorder
from gateway.demo.context import DemoAccount, DemoDependencies
from gateway.demo.dates import SimulatedClock, demo_dates
from gateway.demo.firms import Firm
from gateway.demo.machining import MACHINING
from gateway.demo.moulding import MOULDING
from gateway.demo.pumping import PUMPING
from gateway.demo.simulation import fill_demo
from gateway.demo.state import DemoState, inspect_database, require_fillable
from gateway.identity.invitation_acceptance import InvitationAcceptance
from gateway.identity.invitations import InvitationService
from gateway.identity.links import Links
from gateway.identity.passwords import Passwords
from infra import ids
from infra.clock import SystemClock
from infra.database.database import Database
from infra.installation import migrated_database_url
from infra.secrets.secret_key import secret_key
from infra.settings import Settings
from models.catalog import load_configured_catalog

FIRMS = (MACHINING, MOULDING, PUMPING)


@command
def demo(
    settings: Settings,
    output: Output,
    yes: Annotated[
        bool,
        typer.Option(
            "--yes", help="Add the companies even if the database contains other accounts."
        ),
    ] = False,
    percent: Annotated[
        int, typer.Option(min=1, max=1000, help="Volume of calls, in percent of the usual volume.")
    ] = 100,
) -> Report:
    """Create example companies to try the dashboard.

    Creates three companies with people, API keys, and several months of calls and invoices. One
    has an outcome contract.
    """

    def report_progress(fraction: float) -> None:
        """Show the progress, a fraction from 0 to 1, unless the output is JSON."""
        if not output.is_json:
            output.report_stage("demo", "Creating three example companies", fraction)

    password = secrets.token_urlsafe(12)
    with migrated_database_url(settings) as url:
        existing, created = asyncio.run(
            _fill_demo(settings, url, password, yes, percent, report_progress)
        )
    if created:
        return _created_report(Links.from_settings(settings), password, created)
    return _existing_report(existing)


async def _fill_demo(
    settings: Settings,
    url: str,
    password: str,
    yes: bool,
    percent: int,
    progress: Callable[[float], None],
) -> tuple[Sequence[Account], list[DemoAccount]]:
    """Create the example companies unless they exist. Returns the existing, else the new ones."""
    database = Database(url, pool_size=3)
    try:
        async with database.transaction() as session:
            state = await inspect_database(session, [firm.name for firm in FIRMS], FIRST_ACCOUNT)
            if state.is_filled:
                return state.firms, []
            await require_fillable(session, state, yes=yes)
        deps = _dependencies(settings, database, password, state, percent)
        price_book = PriceBook(deps.catalog, deps.clock)
        async with open_recorder(database, url, price_book, deps.clock) as recording:
            return [], await fill_demo(deps, recording, FIRMS, progress)
    finally:
        await database.close()


def _dependencies(
    settings: Settings, database: Database, password: str, state: DemoState, percent: int
) -> DemoDependencies:
    """Return what creating the companies needs; `percent` scales their calls."""
    dates = demo_dates(SystemClock().now())
    clock = SimulatedClock(dates.opening)
    return DemoDependencies(
        database=database,
        clock=clock,
        dates=dates,
        catalog=load_configured_catalog(settings),
        invitations=InvitationService.from_settings(settings, clock),
        invitation_acceptance=InvitationAcceptance(database, clock, Passwords()),
        pepper=secret_key(settings),
        password=password,
        are_plans_listed=not state.other_accounts,
        percent=percent,
    )


def _existing_report(accounts: Sequence[Account]) -> Report:
    """Return the printable result if the example companies exist already."""
    firms = [
        {"id": ids.format_id(ACCOUNT_ID_PREFIX, account.id), "name": account.name}
        for account in accounts
    ]
    title = Record("The example companies exist already. Nothing was changed.", {})
    return Report({"filled": False, "firms": firms}, (title, Table(firms, ("id", "name"))))


def _created_report(links: Links, password: str, created: Sequence[DemoAccount]) -> Report:
    """Return the printable result: the new companies with their logins and API keys."""
    access = {"dashboard": links.dashboard, "password": password}
    rows = [
        {"firm": opened.firm.name, **row} for opened in created for row in _people_rows(opened.firm)
    ]
    keys = {opened.firm.name: opened.api_key for opened in created}
    sections = (
        Record("Example companies created. All people sign in with this password:", access),
        Table(rows, ("firm", "role", "email", "name")),
        Record("API keys. They cannot be shown again:", keys),
    )
    firms = [_firm_json(opened) for opened in created]
    return Report({"filled": True, **access, "firms": firms}, sections)


def _firm_json(opened: DemoAccount) -> dict[str, Any]:
    """Return a new firm with its key and people, for JSON output."""
    return {
        "id": ids.format_id(ACCOUNT_ID_PREFIX, opened.account_id),
        "name": opened.firm.name,
        "api_key": opened.api_key,
        "people": _people_rows(opened.firm),
    }


def _people_rows(firm: Firm) -> list[dict[str, str]]:
    """Return the people of a firm who can sign in."""
    return [
        {"role": person.role.value, "email": person.email, "name": person.name}
        for person in firm.users
        if person.has_joined
    ]
