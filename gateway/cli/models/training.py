"""`maas models propose` and `maas models provenance`: train a version of a shared model.

Separate from gateway/cli/models/commands.py, since training imports SciPy, which takes a second.
"""

from typing import Annotated

import typer
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.cli.models.commands import By, ModelName
from gateway.cli.output import Output
from gateway.cli.process.supervisor import serving_base_url
from gateway.cli.results import Record, Table
from gateway.cli.runner import command
from gateway.registry.versions import ModelVersionNotFound, find_version, version_json
from gateway.shared_models.collector import scrub_personal_data
from gateway.shared_models.eligibility import get_shared_model
from gateway.shared_models.factory import create_proposer
from gateway.shared_models.provenance import list_provenance
from gateway.upstream.client import UpstreamClient
from infra.clock import Clock
from infra.database.database import Database
from infra.settings import Settings
from models.catalog import load_configured_catalog


@command
async def models_propose(
    database: Database,
    settings: Settings,
    clock: Clock,
    output: Output,
    model: ModelName,
    by: By = "operator",
) -> Record:
    """Train a version of a shared model, and promote it if it is better.

    The version is trained on examples that customers agreed to share. Takes several minutes: run it
    when traffic is low.
    """
    shared_model = get_shared_model(load_configured_catalog(settings), model)
    upstream = UpstreamClient(settings.connect_timeout_s)
    try:
        proposer = create_proposer(settings, serving_base_url(settings), database, upstream, clock)
        row = await proposer.propose(
            shared_model, by, lambda message: output.report_stage("proposing", message)
        )
    finally:
        await upstream.stop()
    return Record("Version evaluated.", version_json(row))


@command
async def models_provenance(
    session: AsyncSession,
    version: Annotated[
        str, typer.Argument(help="Version as `maas models versions` shows it, e.g. MODEL@3.")
    ],
) -> Table:
    """List the examples that a version was trained on.

    Shows the account of each example, when it consented, and whether the consent is still valid.
    """
    name, _, number = version.rpartition("@")
    if not number.isascii() or not number.isdecimal() or len(number) > 9 or not name:
        raise ModelVersionNotFound(
            f"{version[:100]!r} is not a model version. Use the form MODEL@3; "
            "`maas models versions MODEL` lists them."
        )
    row = await find_version(session, name, int(number))
    columns = ("account", "source", "line", "consented_at", "held_out", "now")
    return Table(await list_provenance(session, row, scrub_personal_data), columns)
