"""`maas models propose` and `provenance`: learning a version of a shared model, and from what.

Apart from gateway/cli/models.py, since learning takes SciPy, which takes a second to import.
"""

import asyncio
from typing import Annotated, Any

import typer
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.cli.output import Terminal
from gateway.cli.runner import Json, tell, with_database
from gateway.cli.supervisor import serving_base
from gateway.registry.versions import ModelVersionNotFound, find_version, show_version
from gateway.shared_models.collector import without_personal_data
from gateway.shared_models.eligibility import shared_model
from gateway.shared_models.factory import proposer
from gateway.shared_models.provenance import provenance
from gateway.tables import ModelVersion
from gateway.upstream.client import Upstream
from infra.clock import SystemClock
from infra.database.database import Database
from infra.installation import database_url
from infra.settings import Settings
from models.catalog import load_catalog

ModelName = Annotated[str, typer.Argument(help="The shared model's id.")]
By = Annotated[str, typer.Option(help="Who says so; it stands in the version's history.")]


def models_propose(model: ModelName, by: By = "operator", as_json: Json = False) -> None:
    """Learn a version from what customers agreed to share; it is promoted if it is better.

    It takes minutes, and is best done while few call.
    """

    def work(settings: Settings, terminal: Terminal) -> None:
        with database_url(settings) as url:
            row = asyncio.run(_proposed(settings, url, model, by, terminal))
        terminal.record("Judged.", show_version(row))

    tell(as_json, work)


def models_provenance(
    version: Annotated[str, typer.Argument(help="As `maas models versions` names it: MODEL@3.")],
    as_json: Json = False,
) -> None:
    """What a version learned from: whose, with which consent, and whether that still stands."""

    def work(settings: Settings, terminal: Terminal) -> None:
        name, _, number = version.rpartition("@")
        if not number.isascii() or not number.isdecimal() or len(number) > 9 or not name:
            raise ModelVersionNotFound(f"{version[:100]!r} is no version: name one as `MODEL@3`.")

        async def read(session: AsyncSession) -> list[dict[str, Any]]:
            row = await find_version(session, name, int(number))
            return await provenance(session, row, without_personal_data)

        columns = ("account", "source", "line", "consented_at", "held_out", "now")
        terminal.table(with_database(settings, read), columns)

    tell(as_json, work)


async def _proposed(
    settings: Settings, url: str, name: str, by: str, terminal: Terminal
) -> ModelVersion:
    model = shared_model(load_catalog(settings.profile), name)
    database, upstream = Database(url, pool_size=2), Upstream(settings.connect_timeout_s)
    try:
        made = proposer(settings, serving_base(settings), database, upstream, SystemClock())
        return await made.propose(model, by, lambda said: terminal.stage("proposing", said))
    finally:
        await upstream.stop()
        await database.close()
