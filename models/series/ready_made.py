"""Held-out windows and histories of series, as a ready-made model takes them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.ready_made.values import ReadyMade
from models.ready_made.windows import map_windows
from models.series.series import Indices, spread_over
from models.tables.schema import SchemaRequest
from models.tables.table import RawTable
from models.tabular.ready_made import RunnableModel, require_enough

# Series make a call expensive: a ready-made model is scored on at most so many, evenly spread.
MAX_WINDOWS = 400


@dataclass(frozen=True, slots=True)
class WindowInputs:
    """The inputs of windows of series.

    rows_of: returns the rows of the table of a window, by the position of its training row.
    """

    table: RawTable
    schema: SchemaRequest
    rows_of: Callable[[int], Indices]

    def predict(
        self, model: RunnableModel, request: ReadyMade, output: str, held_out: Indices
    ) -> tuple[Indices, NDArray[Any]]:
        """Return which of the held-out windows the model accepts, and an output of these.

        Raises InputInvalid.
        """
        chosen = spread_over(held_out, MAX_WINDOWS)
        windows = [self.rows_of(int(position)) for position in chosen]
        mapped = map_windows(self.table, model.signature, request, self.schema, windows)
        require_enough(len(mapped.positions), len(chosen))
        parts = [(at, model.predict(columns)[output]) for at, columns in mapped.batches()]
        positions = np.concatenate([at for at, _ in parts])
        return chosen[positions], np.concatenate([values for _, values in parts])
