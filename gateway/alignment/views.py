"""JSON views of plant alignment: settings with status, and the queue of proposals."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from billing.money import nano_text
from gateway.access.api_keys import PREFIX as KEY_PREFIX
from gateway.alignment.settings import find_schedule_of, spent_this_month
from gateway.plant.assets.ids import ASSET, format_optional
from gateway.plant.store.alignment_facts import count_confirmed_since
from gateway.plant.store.mappings import count_mappings
from gateway.plant.store.proposals import QueuedPoint, count_by_model
from gateway.plant.store.views import point_json
from gateway.registry.variants import list_live_variants, pinned_id, public_id
from gateway.retraining.schedules import list_runs, sum_committed
from gateway.retraining.views import run_json
from gateway.tables import PlantAlignment, PlantPointProposal
from gateway.tables.plant_alignment import UNRANKED
from infra import ids
from infra.clock import Clock

SHOWN_RUNS = 5


async def alignment_json(
    session: AsyncSession, clock: Clock, row: PlantAlignment
) -> dict[str, Any]:
    """Return an account's settings with what was proposed, confirmed, spent and trained."""
    name = public_id(row.model, row.account_id, row.name)
    variant = (await list_live_variants(session, row.account_id)).get(name)
    return {
        "object": "plant.alignment",
        "model": row.model,
        "name": row.name,
        "model_in_use": row.model if variant is None else pinned_id(name, variant.current_version),
        "key": ids.format_id(KEY_PREFIX, row.key_id),
        "budget": nano_text(row.budget_nano),
        "spent": nano_text(spent_this_month(row, clock)),
        "training": await _training_json(session, clock, row),
        "points": await count_mappings(session, row.account_id),
        "proposals_by_model": dict(await count_by_model(session, row.account_id)),
        "waits_for": row.code,
        "message": row.message,
        "changed_by": row.changed_by,
        "created_at": int(row.created_at.timestamp()),
    }


async def _training_json(
    session: AsyncSession, clock: Clock, row: PlantAlignment
) -> dict[str, Any] | None:
    """Return when confirmations train, and the newest runs; None if they do not."""
    schedule = await find_schedule_of(session, row)
    if schedule is None:
        return None
    committed = await sum_committed(session, schedule, clock.now())
    since = await count_confirmed_since(session, row.account_id, row.trained_at, row.threshold)
    runs = await list_runs(session, schedule, SHOWN_RUNS)
    return {
        "confirmations": row.threshold,
        "confirmed_since": since,
        "budget": nano_text(schedule.budget_nano),
        "committed": nano_text(committed),
        "runs": [run_json(run) for run in runs],
    }


def queued_json(queued: QueuedPoint, codes: Mapping[UUID, str]) -> dict[str, Any]:
    """Return a point of the queue with its proposal; `codes` are those of proposed assets."""
    return {**point_json(queued.point), "proposal": _proposal_json(queued.proposal, codes)}


def proposed_assets(queue: Sequence[QueuedPoint]) -> list[UUID | None]:
    """Return the ids of the assets that a queue proposes."""
    return [None if one.proposal is None else one.proposal.asset_id for one in queue]


def _proposal_json(
    row: PlantPointProposal | None, codes: Mapping[UUID, str]
) -> dict[str, Any] | None:
    """Return a proposal as JSON."""
    if row is None:
        return None
    return {
        "object": "plant.proposal",
        "model": row.model,
        "rank": None if row.rank == UNRANKED else row.rank,
        "score": row.score,
        "probability": row.probability,
        "unit": row.unit or None,
        "unit_probability": row.unit_probability,
        "asset": format_optional(ASSET, row.asset_id),
        "asset_code": None if row.asset_id is None else codes.get(row.asset_id),
        "asset_probability": row.asset_probability,
        "proposed_at": int(row.proposed_at.timestamp()),
    }
