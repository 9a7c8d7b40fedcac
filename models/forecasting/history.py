"""The history that a call sends, on the grid of the trained model."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.forecasting.data import OtherColumn, describe_step, standardize_others
from models.forecasting.grid import Floats, to_grid
from models.forecasting.windows import Form, Windows, make_windows, summarize_others
from models.signature import Columns, InputInvalid
from models.tables.dates import DayOrder, find_zone, parse_dates, zone_hint

# The most steps of a history that may be missing; they are filled by straight lines.
MAX_FILLED_SHARE = 0.2
_MAX_OFF_GRID_SHARE = 0.05


@dataclass(frozen=True, slots=True)
class History:
    """The last steps of each row of a call.

    windows: one for each row. filled: steps without a value, [rows].
    """

    windows: Windows
    filled: NDArray[np.int64]


class HistoryColumns(dict[str, NDArray[Any]]):
    """The columns of a call, and the history that was read from them.

    A call is checked, run and counted: each would read the history again.
    """

    def __init__(self, columns: Columns, history: History) -> None:
        super().__init__(columns)
        self.history = history


def least_rows(form: Form) -> int:
    """Return the number of rows that a history needs."""
    return int(np.ceil((1 - MAX_FILLED_SHARE) * form.lookback))


def parse_times(texts: NDArray[Any], name: str, order: DayOrder | None) -> Floats:
    """Return times as seconds since 1970, [rows, length]; `texts` may be such seconds already.

    order: of day and month in the training file, which a short history often leaves open. Raises
    InputInvalid for other texts.
    """
    if np.issubdtype(texts.dtype, np.floating):
        return np.asarray(texts, dtype=np.float64)
    parsed = parse_dates(texts.reshape(-1), order)
    missing = np.flatnonzero(~np.isfinite(parsed.seconds))
    if len(missing):
        row, value = divmod(int(missing[0]), texts.shape[1])
        text = str(texts[row, value])[:40]
        message = f"{name!r} in row {row}, value {value} ({text!r}) is no time."
        message = f"{message} {zone_hint(text) or ''}".rstrip()
        raise InputInvalid(message, param=name, index=(row, value))
    return parsed.seconds.reshape(texts.shape)


def latest_zones(texts: NDArray[Any], times: Floats) -> Floats:
    """Return the offset from UTC of the latest time of each row, in seconds; NaN without one.

    texts, times: as they were sent and in seconds, [rows, length]. Seconds have no offset.
    """
    if np.issubdtype(texts.dtype, np.floating):
        return np.full(len(texts), np.nan)
    latest = texts[np.arange(len(texts)), times.argmax(axis=1)]
    return np.array([find_zone(str(text)) for text in latest], dtype=np.float64)


def read_history(
    times: Floats, values: Floats, form: Form, others: tuple[OtherColumn, ...], name: str
) -> History:
    """Return the histories of rows as windows.

    times: [rows, length]. values: target and further columns, [rows, length, 1 + columns]. name: of
    the time column. Raises InputInvalid with the row for histories that are too short, irregular or
    have too many gaps.
    """
    counted = [
        _leave_out_pauses(times[row], values[row], form, row, name) for row in range(len(times))
    ]
    rows = [_last_steps(*one, form, row, name) for row, one in enumerate(counted)]
    filled = np.array([count for _, count in rows], dtype=np.int64)
    targets = np.stack([steps[:, 0] for steps, _ in rows])
    further = [standardize_others(steps[:, 1:], others) for steps, _ in rows]
    latest = np.array([of_row.max() for of_row, _ in counted])
    last = np.array([form.lookback - 1])
    summaries = np.concatenate([summarize_others(one, last, form) for one in further])
    return History(make_windows(targets, summaries, latest, form), filled)


def _leave_out_pauses(
    times: Floats, values: Floats, form: Form, row: int, name: str
) -> tuple[Floats, Floats]:
    """Return the rows of one history that are in no pause, with times counted without pauses."""
    kept = ~form.pauses.contain(times)
    if not kept.any():
        raise InputInvalid(
            f"{name!r} in row {row} has only times of the week at which nothing was recorded in "
            "the training.",
            param=name,
            index=(row,),
        )
    return form.pauses.leave_out(times[kept]), values[kept]


def _last_steps(
    times: Floats, values: Floats, form: Form, row: int, name: str
) -> tuple[Floats, int]:
    """Return the last steps of one history, [lookback, columns], and how many were filled."""
    oldest = times.max() - (form.lookback - 0.5) * form.step
    recent = times >= oldest
    gridded = to_grid(times[recent], values[recent], form.step)
    step = describe_step(form.step)
    if gridded.off_grid > _MAX_OFF_GRID_SHARE * recent.sum():
        raise InputInvalid(
            f"{name!r} in row {row} has times that are not {step} apart.", param=name, index=(row,)
        )
    missing = form.lookback - int(np.isfinite(gridded.values[:, 0]).sum())
    if missing > MAX_FILLED_SHARE * form.lookback:
        raise InputInvalid(
            f"{name!r} in row {row}: {missing} of the last {form.lookback} steps of {step} are "
            f"missing; at most {int(MAX_FILLED_SHARE * form.lookback)} may be.",
            param=name,
            index=(row,),
        )
    return _fill(gridded.values, form.lookback), missing


def _fill(values: Floats, lookback: int) -> Floats:
    """Return columns with `lookback` steps, filled by straight lines; the first value is held."""
    steps = np.arange(len(values) - lookback, len(values))
    columns = []
    for column in values.T:
        present = np.flatnonzero(np.isfinite(column))
        columns.append(np.interp(steps, present, column[present]))
    return np.stack(columns, axis=1)
