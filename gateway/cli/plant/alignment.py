"""`maas plant alignment` and `queue`: automatic proposals of mappings."""

from typing import Annotated, Any

import msgspec
import typer
from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.accounts import get_account
from gateway.alignment.settings import delete_alignment, find_alignment, set_alignment
from gateway.alignment.views import alignment_json, proposed_assets, queued_json
from gateway.cli.paying_key import find_paying_key
from gateway.cli.results import Record, Report, Table
from gateway.cli.runner import command
from gateway.identity.audit_log import CLI_ACTOR
from gateway.plant.store.node_names import load_names
from gateway.plant.store.proposals import QueueOrder, list_queue
from gateway.wire.own_models.plant_alignment import DEFAULT_THRESHOLD, parse_alignment_settings
from infra.clock import Clock
from infra.settings import Settings
from models.catalog import load_configured_catalog

Account = Annotated[str, typer.Option("--account", help="Account ID (acct_…) or name.")]
_FIELDS = ("model_in_use", "budget", "spent", "waits_for", "message")
_TRAINING = ("confirmations", "confirmed_since", "budget", "committed")
_RUNS = ("id", "status", "code", "version", "max_cost", "created_at")
_QUEUE = ("id", "tag", "concept", "probability", "unit", "asset", "model")


@command
async def plant_alignment(
    settings: Settings,
    session: AsyncSession,
    clock: Clock,
    account: Account,
    budget: Annotated[
        str | None, typer.Option(help="Most that proposals of a month may cost, e.g. 20.00.")
    ] = None,
    training_budget: Annotated[
        str | None, typer.Option(help="Most that trainings of a month may cost; none: no training.")
    ] = None,
    confirmations: Annotated[
        int, typer.Option(help="Confirmations after which a version is trained.")
    ] = DEFAULT_THRESHOLD,
    model: Annotated[str, typer.Option(help="Base model; default: the catalog's.")] = "",
    name: Annotated[str, typer.Option(help="Name of the account's own versions.")] = "plant",
    key: Annotated[
        str | None, typer.Option(help="API key ID (key_…) that pays. Default: the newest one.")
    ] = None,
    off: Annotated[bool, typer.Option("--off", help="Stop proposals and trainings.")] = False,
) -> Report:
    """Show how mappings of new points are proposed and learned; with --budget, set it."""
    account_id = (await get_account(session, account)).id
    if off:
        await delete_alignment(session, clock, CLI_ACTOR, account_id)
        fields = {"account": account, "deleted": True}
        return Report(fields, [Record("Automatic proposals stopped.", fields)])
    if budget is not None:
        training = {"budget": training_budget, "confirmations": confirmations}
        stated: dict[str, Any] = {"budget": budget, "model": model, "name": name}
        if training_budget is not None:
            stated["training"] = training
        request = parse_alignment_settings(msgspec.json.encode(stated))
        key_id = await find_paying_key(session, clock, account_id, key)
        catalog = load_configured_catalog(settings)
        await set_alignment(session, clock, catalog, CLI_ACTOR, account_id, key_id, request)
    found = await alignment_json(session, clock, await find_alignment(session, account_id))
    return Report(found, _status_sections(found))


@command
async def plant_queue(
    session: AsyncSession,
    account: Account,
    order: Annotated[
        QueueOrder, typer.Option(help="Most informative, least or most certain first.")
    ] = QueueOrder.INFORMATIVE,
    limit: Annotated[int, typer.Option(min=1, max=1_000, help="How many to list at most.")] = 50,
) -> Report:
    """List proposed mappings in the order in which to confirm them."""
    account_id = (await get_account(session, account)).id
    queue = await list_queue(session, account_id, limit, order)
    codes = await load_names(session, account_id, proposed_assets(queue))
    points = [queued_json(one, codes) for one in queue]
    return Report(points, [Table([_queue_row(one) for one in points], _QUEUE)])


def _status_sections(found: dict[str, Any]) -> list[Record | Table]:
    """Return the sections of the status."""
    fields = {name: found[name] for name in _FIELDS}
    sections: list[Record | Table] = [Record("Automatic proposals:", {**fields, **found["points"]})]
    training = found["training"]
    if training is not None:
        sections.append(Record("Training:", {name: training[name] for name in _TRAINING}))
        sections.append(Table(training["runs"], _RUNS))
    return sections


def _queue_row(point: dict[str, Any]) -> dict[str, Any]:
    """Return a point of the queue as a row of the table; proposed values where it has none."""
    proposal = point["proposal"] or {}
    concept = point["concept"]
    return {
        "id": point["id"],
        "tag": point["tag"],
        "concept": None if concept is None else concept["id"],
        "probability": point["probability"],
        "unit": point["unit"] or proposal.get("unit"),
        "asset": point["asset"] or proposal.get("asset_code"),
        "model": proposal.get("model"),
    }
