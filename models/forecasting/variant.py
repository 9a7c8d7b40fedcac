"""Variant artefact of a forecaster: render and load it, and run it on columns of tensors.

The trees are an ONNX graph, the linear method a matrix. All else is computed here with numpy.
"""

from dataclasses import dataclass

import msgspec
import numpy as np
import onnxruntime
from numpy.typing import NDArray

from models.decisions.decider import Decider
from models.drift.reference import Counts, Reference
from models.forecasting.blending import blend
from models.forecasting.data import HORIZON, LEVEL, OtherColumn, describe_step, history_means
from models.forecasting.error_units import error_units
from models.forecasting.grid import Floats
from models.forecasting.history import (
    MAX_FILLED_SHARE,
    History,
    HistoryColumns,
    latest_zones,
    least_rows,
    parse_times,
    read_history,
)
from models.forecasting.intervals import DEFAULT_LEVEL, LEVELS, HorizonIntervals
from models.forecasting.linear import LinearModel
from models.forecasting.methods import Methods, forecast_by
from models.forecasting.tree_inputs import Inputs
from models.forecasting.windows import Form, Windows
from models.onnx_session import open_session
from models.own_artefact import VariantBroken, decode_document
from models.signature import (
    BYTES,
    Columns,
    InputField,
    InputInvalid,
    OutputField,
    Signature,
    TimeField,
)
from models.tables.dates import DayOrder

VERSION = 1
INPUTS, OUTPUT = "inputs", "changes"
# Longer histories are accepted, and only their last steps are used.
MAX_ROWS_OF_HISTORY = 10_000
_SEPARATOR = "; "
# Beside columns with times as seconds: the offsets of their latest times. No header can be so.
_ZONES = "\0zones"
_MARGIN = 1e-6


class ForecastDocument(msgspec.Struct, frozen=True):
    """The content of a variant.

    time, target: names of the columns. low, high: smallest and largest value of the target in
    training. names: of the averaged methods. edges, weights: of the bands of steps, [bands]
    [methods]. linear: matrix of float32, [inputs, horizon]. trees: the ONNX graph; both are empty
    if the method has no weight. reference: distributions in training, of the means of histories;
    None in artefacts of earlier releases. day_order: of day and month in the training file's times,
    None if these left no doubt.
    """

    version: int
    time: str
    target: str
    unit: str | None
    others: tuple[OtherColumn, ...]
    low: float
    high: float
    form: Form
    names: tuple[str, ...]
    edges: tuple[int, ...]
    weights: tuple[tuple[float, ...], ...]
    intervals: HorizonIntervals
    linear: bytes
    trees: bytes
    reference: Reference | None = None
    day_order: DayOrder | None = None


@dataclass(frozen=True, slots=True)
class ForecastVariant:
    """A loaded artefact."""

    document: ForecastDocument
    methods: Methods
    signature: Signature

    @property
    def decider(self) -> Decider | None:
        """None: forecasts are not decided on by costs."""
        return None

    def with_history(self, columns: Columns) -> HistoryColumns:
        """Return valid columns with the history that they contain, which is slow to read.

        `check`, `run` and `count_inputs` take columns with or without it. Raises InputInvalid for
        columns that do not fit together.
        """
        times = self._seconds(columns)
        zones = latest_zones(columns[self.document.time], times)
        with_seconds = {**columns, self.document.time: times, _ZONES: zones}
        self._check_lengths(with_seconds)
        return HistoryColumns(with_seconds, self._read(with_seconds))

    def check(self, columns: Columns) -> None:
        """Validate columns that fit the signature, as a whole. Raises InputInvalid."""
        self.horizon_of(columns)
        self._check_lengths(columns)
        self._read(columns)

    def _check_lengths(self, columns: Columns) -> None:
        """Raise InputInvalid unless all columns have as many values in a row as there are times."""
        length = columns[self.document.time].shape[1]
        for name in self._names:
            if columns[name].shape[1] != length:
                raise InputInvalid(
                    f"{name!r} has {columns[name].shape[1]} values in each row, but "
                    f"{self.document.time!r} has {length}.",
                    param=name,
                )

    def horizon_of(self, columns: Columns) -> int:
        """Return the number of steps ahead, the same for all rows. Raises InputInvalid."""
        horizons = np.asarray(columns[HORIZON])
        if np.any(horizons != horizons[0]) or horizons[0] % 1:
            raise InputInvalid(
                f"{HORIZON!r} must be a whole number, the same in all rows.", param=HORIZON
            )
        return int(horizons[0])

    def run(self, columns: Columns) -> Columns:
        """Return the forecasts of columns of the signature; one array for each output."""
        document, horizon = self.document, self.horizon_of(columns)
        history = self._read(columns)
        forecast = self.forecast(history.windows)[:, :horizon]
        unit = error_units(history.windows, document.form)
        level = np.asarray(columns[LEVEL], dtype=np.float64)
        zones = self._zones(columns)
        width = document.intervals.half_width(level, unit, horizon)
        return {
            "time": _format_times(self._times_ahead(columns, history, horizon), zones),
            "forecast": forecast.astype(np.float32),
            "lower": (forecast - width).astype(np.float32),
            "upper": (forecast + width).astype(np.float32),
            "filled": history.filled,
            "outside": self._outside_names(self._values(columns)),
        }

    def count_inputs(self, columns: Columns, results: Columns) -> Counts | None:
        """Return how many rows of a call fall into each slot of the reference."""
        document = self.document
        if document.reference is None:
            return None
        history = self._read(columns)
        inputs = dict(
            zip(self._names, history_means(history.windows, document.others).T, strict=True)
        )
        return document.reference.count(inputs, np.asarray(results["forecast"]).mean(axis=1))

    def forecast(self, windows: Windows) -> Floats:
        """Return the averaged forecasts of all steps ahead, [windows, horizon]."""
        document = self.document
        forecasts = [
            forecast_by(name, self.methods, windows, document.form) for name in document.names
        ]
        return blend(forecasts, np.array(document.weights), document.edges)

    def _read(self, columns: Columns) -> History:
        """Return the histories of rows. Raises InputInvalid."""
        if isinstance(columns, HistoryColumns):
            return columns.history
        document = self.document
        times = self._seconds(columns) + self._shifts(columns)[:, np.newaxis]
        return read_history(
            times, self._values(columns), document.form, document.others, document.time
        )

    def _seconds(self, columns: Columns) -> Floats:
        """Return the times of rows in seconds since 1970. Raises InputInvalid."""
        name = self.document.time
        return parse_times(columns[name], name, self.document.day_order)

    def _times_ahead(self, columns: Columns, history: History, horizon: int) -> Floats:
        """Return the times of the steps ahead in seconds since 1970, [rows, horizon]."""
        form = self.document.form
        counted = history.windows.times[:, np.newaxis] + form.step * np.arange(1, horizon + 1)
        return np.asarray(form.pauses.restore(counted) - self._shifts(columns)[:, np.newaxis])

    def _shifts(self, columns: Columns) -> Floats:
        """Return what is added to the times of each row for those of the trained week, in seconds.

        Pauses and days are those of local time. If only the training file or only the call states a
        zone, the other one is taken to be local there.
        """
        pauses, zones = self.document.form.pauses, self._zones(columns)
        if not (pauses.bounds or self.document.form.has_local_days):
            return np.zeros(len(zones))
        if pauses.zone is None:
            return np.nan_to_num(zones)
        return np.where(np.isnan(zones), -pauses.zone, 0.0)

    def _zones(self, columns: Columns) -> Floats:
        """Return the offset from UTC of the latest time of each row, in seconds; NaN if none."""
        if _ZONES in columns:
            return np.asarray(columns[_ZONES], dtype=np.float64)
        return latest_zones(columns[self.document.time], self._seconds(columns))

    @property
    def _names(self) -> list[str]:
        """The target and the further columns."""
        return [self.document.target, *(one.name for one in self.document.others)]

    def _values(self, columns: Columns) -> Floats:
        """Return the values of the target and the further columns, [rows, length, columns]."""
        return np.stack([columns[name] for name in self._names], axis=2).astype(np.float64)

    def _outside_names(self, values: Floats) -> NDArray[np.object_]:
        """Return the names of the columns that leave the trained range, one text per row."""
        document = self.document
        bounds = [(document.low, document.high), *((one.low, one.high) for one in document.others)]
        names = np.array(self._names, dtype=object)
        low, high = np.array(bounds).T
        margin = _MARGIN * np.maximum(np.abs(low), np.abs(high))
        flags = ((values < low - margin) | (values > high + margin)).any(axis=1)
        return np.array([_SEPARATOR.join(names[row]) for row in flags], dtype=object)


def render(document: ForecastDocument) -> bytes:
    """Render a variant's artefact."""
    return msgspec.msgpack.encode(document)


def load(artefact: bytes) -> ForecastVariant:
    """Load a variant from its artefact. Raises VariantBroken."""
    document = decode_document(artefact, ForecastDocument, VERSION)
    return ForecastVariant(document, _load_methods(document), build_signature(document))


def _load_methods(document: ForecastDocument) -> Methods:
    """Return the fitted methods of a document. Raises VariantBroken."""
    try:
        weights = np.frombuffer(document.linear, dtype="<f4").astype(np.float64)
        linear = LinearModel(weights.reshape(-1, document.form.horizon))
        session = open_session(document.trees) if document.trees else None
    except Exception as error:  # ONNX Runtime raises several unrelated exception classes
        raise VariantBroken("The variant's methods cannot be loaded.") from error
    return Methods(linear, _TreeSession(session))


@dataclass(frozen=True, slots=True)
class _TreeSession:
    """The trees on ONNX Runtime."""

    session: onnxruntime.InferenceSession | None

    def __call__(self, inputs: Inputs) -> Floats:
        """Return the trees' output for each row of inputs, [rows]."""
        if self.session is None:
            return np.zeros(len(inputs))
        (changes,) = self.session.run([OUTPUT], {INPUTS: inputs})
        return np.asarray(changes, dtype=np.float64).reshape(-1)


def build_signature(document: ForecastDocument) -> Signature:
    """Return the inputs and outputs of a variant."""
    form = document.form
    length = (least_rows(form), MAX_ROWS_OF_HISTORY)
    step = describe_step(form.step)
    time = TimeField(
        document.time,
        BYTES,
        description=f"Times of the history, {step} apart: the last {form.lookback} steps, of which "
        f"{MAX_FILLED_SHARE:.0%} may be missing. The forecast begins one step after the latest",
        length=length,
        day_order=document.day_order,
    )
    target = InputField(
        document.target,
        "FP32",
        document.unit,
        "Its values at these times",
        trained=(document.low, document.high),
        length=length,
    )
    others = [
        InputField(one.name, "FP32", one.unit, trained=(one.low, one.high), length=length)
        for one in document.others
    ]
    return Signature(
        (time, target, *others, *_settings(form)), _outputs(document, step), str(VERSION)
    )


def _settings(form: Form) -> tuple[InputField, InputField]:
    """Return the inputs that choose steps ahead and level."""
    horizon = InputField(
        HORIZON,
        "FP32",
        description="Steps ahead, the same in all rows",
        minimum=1,
        maximum=form.horizon,
        optional=True,
        default=form.horizon,
    )
    level = InputField(
        LEVEL,
        "FP32",
        "1",
        "Share of intervals that contain the true value",
        minimum=LEVELS[0],
        maximum=LEVELS[-1],
        optional=True,
        default=DEFAULT_LEVEL,
    )
    return horizon, level


def _outputs(document: ForecastDocument, step: str) -> tuple[OutputField, ...]:
    """Return the outputs of a variant."""
    unit = document.unit
    return (
        OutputField(
            "time",
            BYTES,
            None,
            f"Time of each step ahead, {step} apart, in the zone of the history's latest time",
            series=True,
        ),
        OutputField("forecast", "FP32", unit, f"Expected {document.target}", series=True),
        OutputField("lower", "FP32", unit, f"Lower bound at `{LEVEL}`", series=True),
        OutputField("upper", "FP32", unit, f"Upper bound at `{LEVEL}`", series=True),
        OutputField("filled", "INT64", None, "Missing steps of the history that were filled"),
        OutputField(
            "outside",
            BYTES,
            None,
            "Columns whose history leaves the trained range, separated by semicolons; then do not "
            "rely on it",
        ),
    )


def _format_times(seconds: Floats, zones: Floats) -> NDArray[np.object_]:
    """Return times in ISO 8601, [rows, horizon].

    seconds: since 1970. zones: offsets from UTC of the rows in seconds, NaN for times without one.
    """
    local = np.round(seconds + np.nan_to_num(zones)[:, np.newaxis])
    texts = np.datetime_as_string(local.astype("datetime64[s]")).astype(object)
    suffixes = np.array([_format_zone(zone) for zone in zones], dtype=object)
    return np.asarray(texts + suffixes[:, np.newaxis], dtype=object)


def _format_zone(zone: float) -> str:
    """Return `+08:00` for an offset in seconds, `Z` for 0, and nothing for NaN."""
    if np.isnan(zone):
        return ""
    hours, minutes = divmod(round(abs(zone) / 60), 60)
    return f"{'-' if zone < 0 else '+'}{hours:02d}:{minutes:02d}" if zone else "Z"
