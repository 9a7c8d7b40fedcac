"""Windows of a customer's series as inputs of a ready-made model, of series or of single values.

columns of the file -> inputs in the model's units -> windows that the model accepts, by length

A model of series gets the window, or as much of its end as it takes; an input of single values gets
the value at its end.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from models.ready_made.mapping import (
    Indices,
    find_accepted,
    read_inputs,
    require_enough,
    require_known_inputs,
)
from models.ready_made.values import ReadyMade
from models.sentences import sentence
from models.signature import Columns, InputInvalid, Signature
from models.tables.schema import SchemaRequest
from models.tables.table import RawTable


@dataclass(frozen=True, slots=True)
class MappedWindows:
    """The windows that a ready-made model accepts.

    positions: which of the given windows they are. rows: of each, its rows of the table. signature:
    that of the model. columns: the model's inputs in its units, one value for each row of the
    table.
    """

    positions: Indices
    rows: tuple[Indices, ...]
    signature: Signature
    columns: Columns

    def batches(self) -> Iterator[tuple[Indices, Columns]]:
        """Yield inputs of equally long windows, [windows, steps] or [windows], with positions."""
        lengths = np.array([len(rows) for rows in self.rows], dtype=np.intp)
        for length in np.unique(lengths):
            chosen = np.flatnonzero(lengths == length)
            yield self.positions[chosen], self._inputs(np.stack([self.rows[at] for at in chosen]))

    def _inputs(self, rows: Indices) -> Columns:
        """Return the inputs of windows with these rows, [windows, steps]."""
        is_series = {field.name: field.length is not None for field in self.signature.inputs}
        return {
            name: column[rows] if is_series[name] else column[rows[:, -1]]
            for name, column in self.columns.items()
        }


def map_windows(
    table: RawTable,
    signature: Signature,
    request: ReadyMade,
    schema: SchemaRequest,
    windows: Sequence[Indices],
) -> MappedWindows:
    """Return the windows that a ready-made model accepts; each is given by its rows of the table.

    Windows that are too short, and those with a missing value or one outside the model's limits,
    are left out. Raises InputInvalid for a missing column or input, another quantity, and if the
    model accepts under half of the windows.
    """
    require_known_inputs(signature, request)
    columns = read_inputs(table, signature, request, schema)
    accepted, reason = find_accepted(signature, columns, len(table))
    least, most = _steps(signature)
    suffixes = [rows[-most:] for rows in windows]
    usable = [len(rows) >= least and bool(accepted[rows].all()) for rows in suffixes]
    if all(len(rows) < least for rows in suffixes):
        reason = f"it takes at least {least} steps"
    positions = np.flatnonzero(usable)
    require_enough(len(positions), len(windows), sentence("windows"), reason)
    return MappedWindows(
        positions, tuple(suffixes[position] for position in positions), signature, columns
    )


def require_mappable(
    table: RawTable, signature: Signature, request: ReadyMade, schema: SchemaRequest
) -> None:
    """Raise InputInvalid unless the model accepts the values of at least half of the rows.

    Which windows a training holds out is not known before it.
    """
    require_known_inputs(signature, request)
    columns = read_inputs(table, signature, request, schema)
    accepted, reason = find_accepted(signature, columns, len(table))
    require_enough(int(accepted.sum()), len(table), sentence("rows"), reason)


def _steps(signature: Signature) -> tuple[int, int]:
    """Return the least and the most steps that a model takes: one of single values.

    Raises InputInvalid if no length suits all its series.
    """
    lengths = [field.length for field in signature.inputs if field.length is not None]
    if not lengths:
        return 1, 1
    least, most = max(low for low, _ in lengths), min(high for _, high in lengths)
    if least > most:
        raise InputInvalid(sentence("The model takes series of several lengths."), param="model")
    return least, most
