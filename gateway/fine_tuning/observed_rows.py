"""Append the observed results of a model of rows or runs to its training file, while a job runs.

    file + observed results with inputs -> table without duplicates and conflicts -> training file

The rows are read when the job runs and no copy of them is stored: after a customer has deleted
observed results, no file contains them.
"""

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from billing.metering.usage import REQUEST_ID_PREFIX
from gateway.observations.rows import list_training_rows
from gateway.tables import Adaptation, Observation
from gateway.wire.fine_tuning import SCHEMA, parse_schema
from infra import ids
from infra.database.database import Database
from models.own_columns import OF_ROWS
from models.sentences import Sentence, listing, sentence
from models.series.appending import append_runs
from models.tables.appending import AppendedTable, ObservedRow, append_rows
from models.tables.reading import read_table
from models.tables.schema import infer_schema
from models.tabular.data import Goal

# A job's setting: observed results until this time, as ISO 8601, are appended to its file.
OBSERVED_UNTIL = "observed_until"
_MAX_LISTED = 20
# Why results are not appended, by the name of their count.
_LEFT_OUT = {
    "duplicates": "{count} that the file has already",
    "conflict_count": "{count} whose inputs have another class elsewhere",
    "unusable_count": "{count} without any input of the file",
}


@dataclass(frozen=True, slots=True)
class AppendedFile:
    """A training file with observed rows, and where they come from, as JSON."""

    content: bytes
    provenance: Mapping[str, Any]

    @property
    def sentence(self) -> Sentence:
        """Return what was appended as a sentence for the job's events."""
        found = self.provenance
        left_out = [
            sentence(text, count=found[name]) for name, text in _LEFT_OUT.items() if found[name]
        ]
        rest = sentence(" Left out: {parts}.", parts=listing(left_out)) if left_out else ""
        return sentence(
            "{count} observed results were appended to the file.{rest}",
            count=found["rows"],
            rest=rest,
        )


async def append_observed(
    database: Database, job: Adaptation, adapter: str, content: bytes
) -> AppendedFile | None:
    """Return a job's file with its observed rows; None if the job is trained on the file alone.

    Raises TrainingFileInvalid for a file that is no table.
    """
    until = job.settings.get(OBSERVED_UNTIL)
    if until is None:
        return None
    async with database.transaction() as session:
        rows = await list_training_rows(
            session, job.account_id, job.model, job.name, datetime.fromisoformat(until)
        )
    return await asyncio.to_thread(_append, content, job.settings.get(SCHEMA), adapter, rows)


def _append(
    content: bytes, stated: Mapping[str, Any] | None, adapter: str, rows: Sequence[Observation]
) -> AppendedFile:
    """Return the file with the rows and their provenance; the file itself without usable rows."""
    schema = infer_schema(read_table(content), parse_schema(stated))
    observed, goal = [_observed_row(row) for row in rows], OF_ROWS.get(adapter)
    found = (
        append_runs(schema, observed)
        if goal is None
        else append_rows(schema, observed, goal is Goal.CLASS)
    )
    file = found.content if found.appended else content
    return AppendedFile(file, _provenance(found, file, schema.row_count, rows))


def _observed_row(row: Observation) -> ObservedRow:
    """Return an observed result as a row of a table."""
    target = row.observed_class if row.observed_number is None else row.observed_number
    return ObservedRow(
        f"{ids.format_id(REQUEST_ID_PREFIX, row.request_id)}:{row.row}",
        row.inputs or {},
        "" if target is None else target,
        row.machine,
        row.predicted_at,
    )


def _provenance(
    found: AppendedTable, file: bytes, own_rows: int, rows: Sequence[Observation]
) -> Mapping[str, Any]:
    """Return where the appended rows come from: they follow the file's own rows.

    Conflicts and unusable rows are listed as `request:row`, the first ones of many.
    """
    times = [row.predicted_at for row in rows]
    return {
        "rows": found.appended,
        "first_row": own_rows + 1 if found.appended else None,
        "predicted_from": int(min(times).timestamp()) if times else None,
        "predicted_until": int(max(times).timestamp()) if times else None,
        "duplicates": found.duplicates,
        "conflict_count": len(found.conflicts),
        "conflicts": list(found.conflicts[:_MAX_LISTED]),
        "unusable_count": len(found.unusable),
        "unusable": list(found.unusable[:_MAX_LISTED]),
        "sha256": hashlib.sha256(file).hexdigest(),
    }
