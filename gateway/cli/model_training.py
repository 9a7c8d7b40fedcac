"""`maas models propose` and `maas models provenance`: train a version of a shared model.

Separate from gateway/cli/models.py, since training imports SciPy, which takes a second.
"""

import asyncio
from typing import Annotated, Any

import typer
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.cli.output import Output
from gateway.cli.runner import Json, run_command, run_in_transaction
from gateway.cli.supervisor import serving_base_url
from gateway.registry.versions import ModelVersionNotFound, find_version, version_json
from gateway.shared_models.collector import scrub_personal_data
from gateway.shared_models.eligibility import get_shared_model
from gateway.shared_models.factory import create_proposer
from gateway.shared_models.provenance import list_provenance
from gateway.tables import ModelVersion
from gateway.upstream.client import UpstreamClient
from infra.clock import SystemClock
from infra.database.database import Database
from infra.installation import migrated_database_url
from infra.settings import Settings
from models.catalog import load_catalog

ModelName = Annotated[str, typer.Argument(help="The shared model's id.")]
By = Annotated[str, typer.Option(help="Who says so; it stands in the version's history.")]


def models_propose(model: ModelName, by: By = "operator", as_json: Json = False) -> None:
    """Learn a version from what customers agreed to share; it is promoted if it is better.

    It takes minutes, and is best done while few call.
    """

    def execute(settings: Settings, output: Output) -> None:
        with migrated_database_url(settings) as url:
            row = asyncio.run(_propose_version(settings, url, model, by, output))
        output.record("Judged.", version_json(row))

    run_command(as_json, execute)


def models_provenance(
    version: Annotated[str, typer.Argument(help="As `maas models versions` names it: MODEL@3.")],
    as_json: Json = False,
) -> None:
    """What a version learned from: whose, with which consent, and whether that still stands."""

    def execute(settings: Settings, output: Output) -> None:
        name, _, number = version.rpartition("@")
        if not number.isascii() or not number.isdecimal() or len(number) > 9 or not name:
            raise ModelVersionNotFound(f"{version[:100]!r} is no version: name one as `MODEL@3`.")

        async def load_provenance(session: AsyncSession) -> list[dict[str, Any]]:
            row = await find_version(session, name, int(number))
            return await list_provenance(session, row, scrub_personal_data)

        columns = ("account", "source", "line", "consented_at", "held_out", "now")
        output.table(run_in_transaction(settings, load_provenance), columns)

    run_command(as_json, execute)


async def _propose_version(
    settings: Settings, url: str, name: str, by: str, output: Output
) -> ModelVersion:
    """Train and evaluate a new version of a shared model."""
    model = get_shared_model(load_catalog(settings.profile), name)
    database, upstream = Database(url, pool_size=2), UpstreamClient(settings.connect_timeout_s)
    try:
        proposer_ = create_proposer(
            settings, serving_base_url(settings), database, upstream, SystemClock()
        )
        return await proposer_.propose(
            model, by, lambda message: output.report_stage("proposing", message)
        )
    finally:
        await upstream.stop()
        await database.close()
