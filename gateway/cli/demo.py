"""`maas demo`: three example firms, with months of calls, invoices and an outcome contract."""

import asyncio
import secrets
from collections.abc import Callable, Sequence
from typing import Annotated, Any

import typer

from billing.accounts.accounts import PREFIX
from billing.tables import Account
from gateway.access.price_book import Contracts
from gateway.cli.output import Terminal
from gateway.cli.runner import Json, tell
from gateway.cli.supervisor import FIRST_ACCOUNT
from gateway.demo.dates import StoryClock, dates_until
from gateway.demo.filling import fill
from gateway.demo.firms import Firm
from gateway.demo.machining import MACHINING
from gateway.demo.moulding import MOULDING
from gateway.demo.opened import Opened, Tools
from gateway.demo.pumping import PUMPING
from gateway.demo.recording import recorder
from gateway.demo.state import Found, look, require_fillable
from gateway.identity.invitation_acceptance import Accepting
from gateway.identity.invitations import Inviting
from gateway.identity.links import Links
from gateway.identity.passwords import Passwords
from infra import ids
from infra.clock import SystemClock
from infra.database.database import Database
from infra.installation import database_url
from infra.secrets.secret_key import secret_key
from infra.settings import Settings
from models.catalog import load_catalog

FIRMS = (MACHINING, MOULDING, PUMPING)


def demo(
    yes: Annotated[
        bool, typer.Option("--yes", help="Also where the database holds other accounts.")
    ] = False,
    percent: Annotated[
        int, typer.Option(min=1, max=1000, help="How many of the usual calls to make.")
    ] = 100,
    as_json: Json = False,
) -> None:
    """Fill three example firms, so that every page of the dashboard has something to show."""

    def work(settings: Settings, terminal: Terminal) -> None:
        def progress(done: float) -> None:
            if not as_json:
                terminal.stage("demo", "Telling the story of three firms", done)

        password = secrets.token_urlsafe(12)
        with database_url(settings) as url:
            filling = _fill(settings, url, password, yes, percent, progress)
            there, made = asyncio.run(filling)
        if made:
            _show_made(terminal, as_json, Links.of(settings), password, made)
        else:
            _show_there(terminal, as_json, there)

    tell(as_json, work)


async def _fill(
    settings: Settings,
    url: str,
    password: str,
    yes: bool,
    percent: int,
    progress: Callable[[float], None],
) -> tuple[Sequence[Account], list[Opened]]:
    """The firms that were there, or those that were made."""
    database = Database(url, pool_size=3)
    try:
        async with database.transaction() as session:
            found = await look(session, [one.name for one in FIRMS], FIRST_ACCOUNT)
            if found.filled:
                return found.firms, []
            await require_fillable(session, found, yes=yes)
        tools = _tools(settings, database, password, found, percent)
        contracts = Contracts(tools.catalog, tools.clock)
        async with recorder(database, url, contracts, tools.clock) as recording:
            return [], await fill(tools, recording, FIRMS, progress)
    finally:
        await database.close()


def _tools(
    settings: Settings, database: Database, password: str, found: Found, percent: int
) -> Tools:
    dates = dates_until(SystemClock().now())
    clock = StoryClock(dates.opening)
    return Tools(
        database=database,
        clock=clock,
        dates=dates,
        catalog=load_catalog(settings.profile),
        inviting=Inviting.of(settings, clock),
        accepting=Accepting(database, clock, Passwords()),
        pepper=secret_key(settings),
        password=password,
        listed=not found.others,
        percent=percent,
    )


def _show_there(terminal: Terminal, as_json: bool, there: Sequence[Account]) -> None:
    firms = [{"id": ids.show(PREFIX, one.id), "name": one.name} for one in there]
    if as_json:
        terminal.record("", {"filled": False, "firms": firms})
        return
    terminal.record("The example firms are there already; nothing was changed.", {})
    terminal.table(firms, ("id", "name"))


def _show_made(
    terminal: Terminal, as_json: bool, links: Links, password: str, made: Sequence[Opened]
) -> None:
    access = {"dashboard": links.dashboard, "password": password}
    if as_json:
        terminal.record("", {"filled": True, **access, "firms": [_firm(one) for one in made]})
        return
    terminal.record("Filled. All sign in with one password, shown only now:", access)
    rows = [{"firm": one.firm.name, **row} for one in made for row in _people(one.firm)]
    terminal.table(rows, ("firm", "role", "email", "name"))
    keys = {one.firm.name: one.secret for one in made}
    terminal.record("A key of each firm, shown only now:", keys)


def _firm(one: Opened) -> dict[str, Any]:
    return {
        "id": ids.show(PREFIX, one.account_id),
        "name": one.firm.name,
        "api_key": one.secret,
        "people": _people(one.firm),
    }


def _people(firm: Firm) -> list[dict[str, str]]:
    return [
        {"role": one.role.value, "email": one.email, "name": one.name}
        for one in firm.people
        if one.joined
    ]
