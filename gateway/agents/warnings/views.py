"""Learned warning rules and their versions as the API and the CLI show them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from gateway.agents.warnings.rows import public_id, settings_of
from gateway.agents.warnings.settings import settings_fields
from gateway.plant.assets.ids import ASSET
from gateway.tables.agents_warnings import (
    LearnedWarning,
    LearnedWarningVersion,
    WarningVersionStatus,
)
from infra import ids


def rule_json(
    row: LearnedWarning, versions: Sequence[LearnedWarningVersion] = ()
) -> dict[str, Any]:
    """Return a rule with its newest versions."""
    active = [one.version for one in versions if one.status == WarningVersionStatus.ACTIVE]
    return {
        "id": public_id(row),
        "object": "learned_warning",
        "name": row.name,
        "asset": ids.format_id(ASSET, row.asset_id),
        **settings_fields(settings_of(row)),
        "active_version": active[0] if active else None,
        "versions": [version_json(row, one) for one in versions],
        "created_by": row.created_by,
        "created_at": row.created_at.isoformat(),
    }


def version_json(row: LearnedWarning, version: LearnedWarningVersion) -> dict[str, Any]:
    """Return a version with its evaluation."""
    return {
        "object": "learned_warning.version",
        "rule": public_id(row),
        "version": version.version,
        "status": version.status,
        "from": version.start_at.isoformat(),
        "to": version.end_at.isoformat(),
        "events": version.events,
        "sha256": version.sha256,
        "report": version.report,
        "error": version.error,
        "created_by": version.created_by,
        "decided_by": version.decided_by,
        "accepted_by": version.accepted_by,
        "created_at": version.created_at.isoformat(),
        "trained_at": _time(version.trained_at),
        "active_at": _time(version.active_at),
        "ended_at": _time(version.ended_at),
    }


def _time(time: datetime | None) -> str | None:
    """Return a time in ISO 8601."""
    return None if time is None else time.isoformat()
