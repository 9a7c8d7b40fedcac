"""A customer's detector as serving has it: artefact, signature, and answers by column."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.anomaly.detector import Detector, Floats, State
from models.anomaly.states import Sealer, StateInvalid
from models.signature import BYTES, Columns, InputField, InputInvalid, OutputField, Signature

VERSION = 1
STATE, SENSITIVITY = "state", "sensitivity"
RESERVED = (STATE, SENSITIVITY)
# Of a call. The average is held within 1.5 limits (detector.py), so a limit above that is never
# passed: to be told less than at 0.7, fit with a lower sensitivity.
LEAST_CALLED, MOST_CALLED = 0.7, 4.0
MAX_STEPS = 1000
_LARGEST = float(np.finfo(np.float32).max)
_OUTPUTS = (
    OutputField(
        "score",
        "FP32",
        "1",
        "Distance from normal, in limits; above 1 is an alarm at the sensitivity 1",
        series=True,
    ),
    OutputField(
        "alarm", "BOOL", None, "Whether the score times the sensitivity is above 1", series=True
    ),
    OutputField("sensor", BYTES, None, "The sensor with the largest share in it", series=True),
    OutputField(STATE, BYTES, None, "For the next call, where this machine's steps go on"),
)


class VariantBroken(ValueError):
    """The bytes are no variant, or none of this version."""


class Sensor(msgspec.Struct, frozen=True):
    """`trained` is the range of its normal readings; the rest is of the detector, by its names."""

    name: str
    unit: str | None
    trained: tuple[float, float]
    level: float
    slow: bool
    bound: float
    centre: float


class _Document(msgspec.Struct, frozen=True):
    version: int
    weight: float
    baseline_weight: float
    sensors: list[Sensor]
    whitening: list[list[float]]
    sensitivity: float = 1.0


class _Versioned(msgspec.Struct):
    version: int


@dataclass(frozen=True, slots=True)
class Variant:
    """A loaded artefact. Rows of columns are machines; they know nothing of each other."""

    detector: Detector
    signature: Signature
    sealer: Sealer

    def check(self, columns: Columns) -> None:
        """Raises InputInvalid where sensors have unequally many steps, naming the sensor, or a
        state is not of this variant, naming the row."""
        self._states(columns[STATE], self._series(columns))

    def run(self, columns: Columns) -> Columns:
        """Answer for columns that hold to the signature; FP32 may come as any float.

        Raises InputInvalid as `check` does.
        """
        series = self._series(columns)
        verdict, state = self.detector.run(series, self._states(columns[STATE], series))
        score = np.minimum(verdict.score, _LARGEST).astype(np.float32)
        names = np.array(self.detector.sensors, dtype=object)
        return {
            "score": score,
            "alarm": score * self._sensitivity(columns) > 1.0,
            "sensor": names[verdict.shares.argmax(axis=-1)],
            STATE: self._texts(state),
        }

    def _sensitivity(self, columns: Columns) -> NDArray[Any]:
        """Of each row, [rows, 1]. A variant of before may have a sensor of that name."""
        if SENSITIVITY in self.detector.sensors or SENSITIVITY not in columns:
            return np.ones((1, 1), dtype=np.float32)
        return np.asarray(columns[SENSITIVITY], dtype=np.float32)[:, np.newaxis]

    def _series(self, columns: Columns) -> Floats:
        """[rows, steps, sensors]"""
        first, *others = self.detector.sensors
        steps = columns[first].shape[1]
        for name in others:
            if columns[name].shape[1] != steps:
                raise InputInvalid(
                    f"{name!r} has {columns[name].shape[1]} steps, but {first!r} has {steps}.",
                    param=name,
                )
        readings = [columns[name] for name in self.detector.sensors]
        return np.stack(readings, axis=-1).astype(np.float64)

    def _states(self, texts: NDArray[Any], series: Floats) -> State:
        """Where each row goes on from; it begins where its text is empty."""
        state = self.detector.start(series[:, 0])
        for row, text in enumerate(texts):
            if text:
                state.average[row], state.baseline[row] = self._read(row, text)
        return state

    def _read(self, row: int, text: str) -> tuple[Floats, Floats]:
        try:
            return self.sealer.read(text)
        except StateInvalid as error:
            raise InputInvalid(
                f"{STATE!r} in row {row} is no state of this variant. {error} Give what the last "
                "call answered, or an empty text to begin anew.",
                param=STATE,
            ) from error

    def _texts(self, state: State) -> NDArray[Any]:
        pairs = zip(state.average, state.baseline, strict=True)
        return np.array([self.sealer.write(*pair) for pair in pairs], dtype=object)


def render(
    detector: Detector,
    units: Mapping[str, str],
    trained: Sequence[Floats],
    sensitivity: float = 1.0,
) -> bytes:
    """A variant's artefact, in JSON. `trained` are the stretches that it was fitted on, and
    `sensitivity` what its limit was divided by."""
    ranges = [(one.min(axis=0), one.max(axis=0)) for one in trained]
    least, most = np.min([low for low, _ in ranges], 0), np.max([high for _, high in ranges], 0)
    sensors = [
        Sensor(
            name=name,
            unit=units.get(name),
            trained=(float(least[at]), float(most[at])),
            level=float(detector.level[at]),
            slow=bool(detector.slow[at]),
            bound=float(detector.bound[at]),
            centre=float(detector.centre[at]),
        )
        for at, name in enumerate(detector.sensors)
    ]
    whitening = detector.whitening.tolist()
    weights = detector.weight, detector.baseline_weight
    return msgspec.json.encode(_Document(VERSION, *weights, sensors, whitening, sensitivity))


def load(artefact: bytes) -> Variant:
    """What `render` wrote. Raises VariantBroken."""
    try:
        version = msgspec.json.decode(artefact, type=_Versioned).version
        if version != VERSION:
            raise VariantBroken(f"The variant is of version {version}, not {VERSION}.")
        document = msgspec.json.decode(artefact, type=_Document)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise VariantBroken(f"These bytes are no variant: {error}.") from error
    _require(document)
    sealer = Sealer.of(artefact, len(document.sensors))
    signature = _signature(document.sensors, document.sensitivity)
    return Variant(_detector(document), signature, sealer)


def _require(document: _Document) -> None:
    names = {sensor.name for sensor in document.sensors}
    if not names or len(names) != len(document.sensors) or STATE in names:
        raise VariantBroken("The variant's sensors have no names of their own.")
    lengths = {len(document.whitening), *map(len, document.whitening)}
    if lengths != {len(names)}:
        raise VariantBroken(f"The variant's matrix is not of its {len(names)} sensors.")
    if not (0 < document.weight <= 1 and 0 < document.baseline_weight <= 1):
        raise VariantBroken("The variant's weights are not above 0 and at most 1.")


def _detector(document: _Document) -> Detector:
    sensors = document.sensors
    return Detector(
        tuple(sensor.name for sensor in sensors),
        document.weight,
        document.baseline_weight,
        np.array([sensor.level for sensor in sensors]),
        np.array([sensor.slow for sensor in sensors]),
        np.array([sensor.bound for sensor in sensors]),
        np.array([sensor.centre for sensor in sensors]),
        np.array(document.whitening),
    )


def _signature(sensors: Sequence[Sensor], fitted: float) -> Signature:
    readings = [
        InputField(
            sensor.name,
            "FP32",
            sensor.unit,
            "Readings of one machine, one a step, the oldest first",
            trained=sensor.trained,
            length=(1, MAX_STEPS),
        )
        for sensor in sensors
    ]
    state = InputField(
        STATE,
        BYTES,
        description="What the call before answered, of the same machine; empty to begin",
        optional=True,
    )
    sensitivity = InputField(
        SENSITIVITY,
        "FP32",
        "1",
        "What the limit is divided by: above 1 more alarms, below 1 fewer; this variant was fitted "
        f"with {fitted:g}",
        minimum=LEAST_CALLED,
        maximum=MOST_CALLED,
        optional=True,
        default=1.0,
    )
    settings = () if SENSITIVITY in {one.name for one in sensors} else (sensitivity,)
    return Signature((*readings, state, *settings), _OUTPUTS, str(VERSION))
