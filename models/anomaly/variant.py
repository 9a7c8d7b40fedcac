"""Variant artefact of a fitted detector: render and load it, and run it on columns of tensors."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.anomaly.detector import Detector, DetectorState, Floats
from models.anomaly.states import StateInvalid, StateSealer
from models.own_artefact import VariantBroken
from models.signature import BYTES, Columns, InputField, InputInvalid, OutputField, Signature

VERSION = 1
STATE, SENSITIVITY = "state", "sensitivity"
RESERVED = (STATE, SENSITIVITY)
# Range of a call's sensitivity. The average is clipped to 1.5 alarm limits (detector.py), so with a
# sensitivity below 1 / 1.5 there would be no alarm: for fewer alarms, fit with a lower sensitivity.
MIN_CALL_SENSITIVITY, MAX_CALL_SENSITIVITY = 0.7, 4.0
MAX_STEPS = 1000
_MAX_FP32 = float(np.finfo(np.float32).max)
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


class FittedSensor(msgspec.Struct, frozen=True):
    """A sensor in the artefact: its training range and the detector's values for it."""

    name: str
    unit: str | None
    trained: tuple[float, float]
    level: float
    slow: bool
    bound: float
    centre: float


class _Document(msgspec.Struct, frozen=True):
    """The JSON document of a variant."""

    version: int
    weight: float
    baseline_weight: float
    sensors: list[FittedSensor]
    whitening: list[list[float]]
    sensitivity: float = 1.0


class _Versioned(msgspec.Struct):
    """The version field of a document."""

    version: int


@dataclass(frozen=True, slots=True)
class Variant:
    """A loaded artefact; each row of the input columns is an independent machine."""

    detector: Detector
    signature: Signature
    sealer: StateSealer

    def check(self, columns: Columns) -> None:
        """Validate input columns without running the detector.

        Raises InputInvalid with the sensor if sensors have different numbers of steps, and with the
        row if a state token is not of this variant.
        """
        self._decode_states(columns[STATE], self._stack_series(columns))

    def run(self, columns: Columns) -> Columns:
        """Run the detector on columns of the signature; FP32 inputs may be of any float type.

        Raises InputInvalid like `check`.
        """
        series = self._stack_series(columns)
        scores, state = self.detector.run(series, self._decode_states(columns[STATE], series))
        score = np.minimum(scores.score, _MAX_FP32).astype(np.float32)
        names = np.array(self.detector.sensors, dtype=object)
        return {
            "score": score,
            "alarm": score * self._requested_sensitivity(columns) > 1.0,
            "sensor": names[scores.shares.argmax(axis=-1)],
            STATE: self._encode_states(state),
        }

    def _requested_sensitivity(self, columns: Columns) -> NDArray[Any]:
        """Return each row's requested sensitivity, [rows, 1]; a single 1 if none was requested.

        It is 1 for an older variant that has a sensor with the name of this input.
        """
        if SENSITIVITY in self.detector.sensors or SENSITIVITY not in columns:
            return np.ones((1, 1), dtype=np.float32)
        return np.asarray(columns[SENSITIVITY], dtype=np.float32)[:, np.newaxis]

    def _stack_series(self, columns: Columns) -> Floats:
        """Stack the sensor columns, [rows, steps, sensors]. Raises InputInvalid."""
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

    def _decode_states(self, tokens: NDArray[Any], series: Floats) -> DetectorState:
        """Decode each row's state; an empty token gives the initial state."""
        state = self.detector.initial_state(series[:, 0])
        for row, token in enumerate(tokens):
            if token:
                state.average[row], state.baseline[row] = self._decode_state(row, token)
        return state

    def _decode_state(self, row: int, token: str) -> tuple[Floats, Floats]:
        """Decode the state token of one row. Raises InputInvalid with the row."""
        try:
            return self.sealer.decode(token)
        except StateInvalid as error:
            raise InputInvalid(
                f"{STATE!r} in row {row} is not a state of this fine-tuned model. {error} "
                "Send the state of the last response, or an empty string to start again.",
                param=STATE,
                index=(row,),
            ) from error

    def _encode_states(self, state: DetectorState) -> NDArray[Any]:
        """Encode the state of each machine as a token."""
        pairs = zip(state.average, state.baseline, strict=True)
        return np.array([self.sealer.encode(*pair) for pair in pairs], dtype=object)


def render(
    detector: Detector,
    units: Mapping[str, str],
    trained: Sequence[Floats],
    sensitivity: float = 1.0,
) -> bytes:
    """Render a variant's artefact, in JSON.

    trained: the stretches that the detector was fitted on. sensitivity: the divisor of its alarm
    limit.
    """
    bounds = [(stretch.min(axis=0), stretch.max(axis=0)) for stretch in trained]
    minimum, maximum = (
        np.min([low for low, _ in bounds], 0),
        np.max([high for _, high in bounds], 0),
    )
    sensors = [
        FittedSensor(
            name=name,
            unit=units.get(name),
            trained=(float(minimum[position]), float(maximum[position])),
            level=float(detector.level[position]),
            slow=bool(detector.slow[position]),
            bound=float(detector.bound[position]),
            centre=float(detector.centre[position]),
        )
        for position, name in enumerate(detector.sensors)
    ]
    whitening = detector.whitening.tolist()
    weights = detector.weight, detector.baseline_weight
    return msgspec.json.encode(_Document(VERSION, *weights, sensors, whitening, sensitivity))


def load(artefact: bytes) -> Variant:
    """Load a variant from its artefact. Raises VariantBroken."""
    try:
        version = msgspec.json.decode(artefact, type=_Versioned).version
        if version != VERSION:
            raise VariantBroken(f"The variant is of version {version}, not {VERSION}.")
        document = msgspec.json.decode(artefact, type=_Document)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise VariantBroken(f"The artefact is not a fine-tuned model: {error}.") from error
    _validate_document(document)
    sealer = StateSealer.for_artefact(artefact, len(document.sensors))
    signature = _signature(document.sensors, document.sensitivity)
    return Variant(_build_detector(document), signature, sealer)


def _validate_document(document: _Document) -> None:
    """Raise VariantBroken if sensors, matrix or weights of a document are inconsistent."""
    names = {sensor.name for sensor in document.sensors}
    if not names or len(names) != len(document.sensors) or STATE in names:
        raise VariantBroken("The variant's sensors have no names of their own.")
    lengths = {len(document.whitening), *map(len, document.whitening)}
    if lengths != {len(names)}:
        raise VariantBroken(f"The variant's matrix is not of its {len(names)} sensors.")
    if not (0 < document.weight <= 1 and 0 < document.baseline_weight <= 1):
        raise VariantBroken("The variant's weights are not above 0 and at most 1.")


def _build_detector(document: _Document) -> Detector:
    """Build the detector from the decoded JSON document of an artefact."""
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


def _signature(sensors: Sequence[FittedSensor], fitted_sensitivity: float) -> Signature:
    """Return the inputs and outputs of a variant's detector."""
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
        f"with {fitted_sensitivity:g}",
        minimum=MIN_CALL_SENSITIVITY,
        maximum=MAX_CALL_SENSITIVITY,
        optional=True,
        default=1.0,
    )
    settings = () if SENSITIVITY in {one.name for one in sensors} else (sensitivity,)
    return Signature((*readings, state, *settings), _OUTPUTS, str(VERSION))
