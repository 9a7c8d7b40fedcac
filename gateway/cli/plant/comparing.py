"""`maas plant compare`: pairs with another plant, on the database or, with a model, by the API."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from billing.accounts.accounts import get_account
from gateway.alignment.comparisons import PlantComparer
from gateway.alignment.csv_text import csv_content
from gateway.call.errors import ParameterInvalid
from gateway.cli.api_client import open_api, require_success, send_file, send_request
from gateway.cli.results import Record, Report, Table
from gateway.cli.runner import command, run_with_database
from gateway.identity.audit_log import CLI_ACTOR
from gateway.plant.imports.exchange_formats import PlantFile
from gateway.plant.imports.importing import PlantImporter
from gateway.plant.store.comparisons import comparison_json, unpack_pairs
from infra.clock import Clock
from infra.database.database import Database
from infra.settings import Settings

_PATH = "/v1/plant/comparisons"
_PAIRS = ("confidence", "tag", "other_tag", "concept", "units", "factor", "offset")
_SHOWN_PAIRS = 50


@dataclass(frozen=True, slots=True)
class _Compared:
    """A comparison as the API returns it, its first pairs, and all pairs as CSV."""

    counts: Mapping[str, Any]
    pairs: Sequence[Mapping[str, Any]]
    csv: bytes


@command
def plant_compare(
    settings: Settings,
    clock: Clock,
    file: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help="Export of the other plant.")
    ],
    account: Annotated[
        str, typer.Option("--account", help="Account ID (acct_…) or name. Not with --model.")
    ] = "",
    csv: Annotated[
        Path | None, typer.Option(dir_okay=False, help="File to write all pairs to.")
    ] = None,
    model: Annotated[
        str,
        typer.Option(
            help="Align points of the file without a known concept by this model, through the API: "
            "billed by row to the key in MAAS_API_KEY, whose account's plant is compared."
        ),
    ] = "",
    url: Annotated[
        str, typer.Option(help="Address of the gateway, for --model.")
    ] = "http://127.0.0.1:8080",
) -> Report:
    """Pair an account's points with those of another plant by concept."""
    if bool(account) == bool(model):
        raise ParameterInvalid(
            "State --account, or --model with an API key in MAAS_API_KEY.", param="account"
        )
    if model:
        compared = _compare_by_api(url, file, model)
    else:
        action = partial(_compare, settings, clock, file, account)
        compared = run_with_database(settings, action)
    if csv is not None:
        csv.write_bytes(compared.csv)
    found = {**compared.counts, "first_pairs": compared.pairs}
    fields = {"id": found["id"], "pairs": found["pairs"], **found["units"]}
    rows = [_pair_row(one) for one in compared.pairs]
    return Report(found, [Record("Plants compared.", fields), Table(rows, _PAIRS)])


async def _compare(
    settings: Settings, clock: Clock, file: Path, account: str, database: Database
) -> _Compared:
    """Compare on the database."""
    async with database.transaction() as session:
        account_id = (await get_account(session, account)).id
    importer = PlantImporter.from_settings(settings, database, clock)
    comparer = PlantComparer(database, clock, importer)
    content = PlantFile(file.name, await asyncio.to_thread(file.read_bytes))
    row = await comparer.compare(account_id, CLI_ACTOR, content)
    pairs = unpack_pairs(row.content)[:_SHOWN_PAIRS]
    return _Compared(comparison_json(row), pairs, csv_content(row.content))


def _compare_by_api(url: str, file: Path, model: str) -> _Compared:
    """Compare through the API. Raises ApiUnreachable, ApiRefused."""
    with open_api(url) as http:
        response = send_file(http, _PATH, file, {"model": model})
        counts = require_success(response).json()
        path = f"{_PATH}/{counts['id']}"
        listed = send_request(http, "GET", f"{path}/pairs?limit={_SHOWN_PAIRS}")
        pairs = require_success(listed).json()["data"]
        content = require_success(send_request(http, "GET", f"{path}/csv")).content
    return _Compared(counts, pairs, content)


def _pair_row(pair: Mapping[str, Any]) -> dict[str, Any]:
    """Return a pair as a row of the table."""
    units = pair["units"]
    return {
        "confidence": pair["confidence"],
        "tag": pair["point"]["tag"],
        "other_tag": pair["other"]["tag"],
        "concept": pair["concept_name"],
        "units": units["relation"],
        "factor": units["factor"],
        "offset": units["offset"],
    }
