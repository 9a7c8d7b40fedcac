"""Fine-tuning of remaining useful life: results and validation of the training file."""

import json
from typing import Any

import msgspec
import numpy as np
import pytest

from models.adaptation import Adaptation, TrainingFileInvalid
from models.onnx_session import open_session
from models.rul.adapt import adapt
from models.rul.data import CAP, SENSORS
from models.rul.features import NAMES, Scaling
from models.rul.fleet import MIN_MACHINES, read_fleet
from models.rul.prototypes import (
    ARTEFACT,
    Prototypes,
    PrototypesBroken,
    build_prototypes,
    read,
    render,
)
from models.rul.signature import render_signature
from models.rul.train import predict_with_graph
from models.signature import Signature
from tests.support.models.made_up_engines import engine
from tests.support.nightly import nightly

KNOWN = msgspec.json.decode(render_signature([engine(0, 60)]), type=Signature)


def line(seed: int, life: int = 120, **changes: Any) -> dict[str, Any]:
    readings = engine(seed, life).readings.astype(float)
    sensors = {name: readings[:, at].tolist() for at, name in enumerate(SENSORS)}
    return {"sensors": {**sensors, **changes}}


def file(*lines: Any) -> bytes:
    return b"\n".join(json.dumps(each).encode() for each in lines)


@pytest.fixture(scope="module")
def adaptation() -> tuple[Adaptation, list[str]]:
    said: list[str] = []
    made = adapt(file(*(line(seed, 100 + 15 * seed) for seed in range(5))), said.append)
    return made, said


class TestRemainingLifeFineTuning:
    @nightly
    def test_variant_beats_base_on_own_fleet(
        self, adaptation: tuple[Adaptation, list[str]]
    ) -> None:
        made, said = adaptation
        assert made.score.base is not None
        assert made.score.adapted < made.score.base
        assert not made.score.worse
        assert (made.examples, made.held_out) == (5, 5)
        assert said[0].startswith("5 machines with")

    def test_variant_predictions_fall_and_stay_within_interval(
        self, adaptation: tuple[Adaptation, list[str]]
    ) -> None:
        session = open_session(adaptation[0].artefact)
        out_of_fold_predictions = engine(77, 150).readings[np.newaxis]
        early, late = (
            predict_with_graph(session, out_of_fold_predictions[:, :end]) for end in (40, 148)
        )
        assert float(late[0][0]) < 30 < float(early[0][0])
        for remaining, lower, upper in (early, late):
            assert 0 <= lower[0] <= remaining[0] <= upper[0] <= CAP

    @nightly
    def test_fine_tuning_is_deterministic(self, adaptation: tuple[Adaptation, list[str]]) -> None:
        lines = [line(seed, 100 + 15 * seed) for seed in range(5)]
        assert adapt(file(*lines), lambda _: None).artefact == adaptation[0].artefact


class TestFleetFileParsing:
    def test_other_units_are_converted(self) -> None:
        plain = line(3)
        kelvin = [value / 1.8 for value in plain["sensors"]["T24"]]
        changed = line(3, T24=kelvin) | {"units": {"T24": "K"}}
        (one, *_), (other, *_) = (
            read_fleet(file(first, line(1), line(2)), KNOWN) for first in (plain, changed)
        )
        assert other.readings == pytest.approx(one.readings, rel=1e-5)

    @pytest.mark.parametrize(
        ("bad", "said"),
        [
            (line(9, 15), "Line 2: .*20 to 1000 values"),
            (line(9, T24=[600.0] * 3), "Line 2: sensors have different numbers"),
            (line(9, T24=[float(at) for at in range(120)]), "Line 2: 'T24' in row 0, value 0"),
            (line(9, T99=[1.0] * 120), "Line 2: unknown input 'T99'"),
            ({"sensors": {}}, "Line 2: the input '"),
            (line(9, T24=["x"] * 120), "Line 2: Expected `float`"),
            (line(9) | {"label": 1}, "Line 2: .*unknown field `label`"),
            (line(9) | {"units": {"T24": "bar"}}, "Line 2: 'T24' is given in 'bar'"),
            ([], "Line 2: Expected `object`"),
            (line(1), "Line 2 repeats the machine of line 1"),
        ],
    )
    def test_invalid_line_is_rejected_with_reason(self, bad: Any, said: str) -> None:
        with pytest.raises(TrainingFileInvalid, match=said):
            read_fleet(file(line(1), bad, line(2), line(3)), KNOWN)

    @pytest.mark.parametrize("content", [b"", b"\n\n", b"\xff\xfe", b'{"sensors": {"T24": [NaN]}}'])
    def test_malformed_file_is_rejected(self, content: bytes) -> None:
        with pytest.raises(TrainingFileInvalid):
            read_fleet(content, KNOWN)

    def test_too_few_machines_are_rejected(self) -> None:
        with pytest.raises(TrainingFileInvalid, match=f"at least {MIN_MACHINES}"):
            read_fleet(file(line(1), line(2)), KNOWN)

    def test_constant_sensor_is_rejected(self) -> None:
        lines = [line(seed, T24=[620.0] * 120) for seed in range(3)]
        with pytest.raises(TrainingFileInvalid, match="'T24' is constant"):
            read_fleet(file(*lines), KNOWN)


class TestPrototypes:
    # joblib asks a program for the number of cores.
    @pytest.mark.usefixtures("processes")
    def test_prototypes_represent_all_rows_and_round_trip(self) -> None:
        fleet = [engine(seed, 100) for seed in range(4)]
        made = build_prototypes(fleet, Scaling.fit(fleet), 50)
        assert made.rows.sum() == 4 * 81
        assert made.features.shape[1] == len(NAMES)
        again = read(render(made))
        assert again.features == pytest.approx(made.features, abs=0.05)
        assert render(made) == render(build_prototypes(fleet, Scaling.fit(fleet), 50))

    def test_committed_prototypes_are_within_limits(self) -> None:
        kept = read(ARTEFACT.read_bytes())
        assert len(kept.rows) == 2000
        assert 0 <= kept.remaining.min() < 2
        assert kept.remaining.max() == CAP

    def test_invalid_file_is_rejected(self) -> None:
        narrow = Prototypes(np.zeros((2, 3)), np.zeros(2), np.ones(2))
        for broken in (b"", b"PK", ARTEFACT.read_bytes()[:5000], render(narrow)):
            with pytest.raises(PrototypesBroken):
                read(broken)
