"""JSON views of retraining schedules and runs."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from billing.money import nano_text
from gateway.fine_tuning.jobs import JOB_ID_PREFIX
from gateway.registry.files import PREFIX as FILE_PREFIX
from gateway.registry.variants import public_id
from gateway.retraining.schedules import RUN_ID_PREFIX
from gateway.tables import RetrainingRun, RetrainingSchedule
from infra import ids


def schedule_json(
    schedule: RetrainingSchedule, runs: Sequence[RetrainingRun], committed_nano: int
) -> dict[str, Any]:
    """Return a schedule with its newest runs; `committed` is what this month's runs may cost."""
    left = max(0, schedule.budget_nano - committed_nano)
    return {
        "object": "model.retraining",
        "model": public_id(schedule.base, schedule.account_id, schedule.name),
        "every": schedule.every,
        "file": None if schedule.file_id is None else ids.format_id(FILE_PREFIX, schedule.file_id),
        "filename": schedule.filename,
        "budget": nano_text(schedule.budget_nano),
        "committed": nano_text(committed_nano),
        "budget_left": nano_text(left),
        "automatic": schedule.automatic,
        "with_observations": schedule.with_observations,
        "next_at": _seconds(schedule.next_at),
        "created_at": _seconds(schedule.created_at),
        "changed_by": schedule.changed_by,
        "runs": [run_json(run) for run in runs],
    }


def run_json(run: RetrainingRun) -> dict[str, Any]:
    """Return a run as JSON."""
    return {
        "id": ids.format_id(RUN_ID_PREFIX, run.id),
        "object": "model.retraining.run",
        "trigger": _kind_of(run.trigger),
        "status": run.status,
        "code": run.code,
        "version": run.version,
        "fine_tuning_job": None if run.job_id is None else ids.format_id(JOB_ID_PREFIX, run.job_id),
        "max_cost": nano_text(run.max_cost_nano),
        "created_at": _seconds(run.created_at),
        "finished_at": _seconds(run.finished_at),
    }


def _kind_of(trigger: str) -> str:
    """Return what started a run: `drift`, `confirmations` or `schedule`."""
    kind = trigger.partition(":")[0]
    return kind if kind in ("drift", "confirmations") else "schedule"


def _seconds(moment: datetime | None) -> int | None:
    """Return the Unix time in whole seconds; None without a moment."""
    return None if moment is None else int(moment.timestamp())
