"""A served variant of the anomaly detector: artefact, signature, inference and state."""

import json
from typing import Any

import numpy as np
import pytest

from models.anomaly.detector import Floats
from models.anomaly.fitting import fit
from models.anomaly.settings import Settings
from models.anomaly.variant import (
    MAX_STEPS,
    SENSITIVITY,
    STATE,
    Variant,
    load,
    render,
)
from models.own_artefact import VariantBroken
from models.signature import Columns, InputInvalid, validate_columns
from tests.support.models.made_up_rig import SENSORS, hours, leaking

UNITS = {"pressure": "bar", "room": "°C"}


def artefact(seed: int = 1) -> bytes:
    stretches = [hours(seed, 1500)]
    return render(fit(stretches, SENSORS), UNITS, stretches)


@pytest.fixture(scope="module")
def variant() -> Variant:
    return load(artefact())


def columns(*machines: Floats, state: list[str] | None = None) -> dict[str, Any]:
    stacked = np.stack(machines).astype(np.float32)
    named: dict[str, Any] = {name: stacked[..., at] for at, name in enumerate(SENSORS)}
    return named if state is None else {**named, STATE: np.array(state, dtype=object)}


def ask(variant: Variant, asked: Columns) -> Columns:
    accepted = validate_columns(variant.signature, asked, {})
    variant.check(accepted)
    return variant.run(accepted)


class TestAnomalyVariantSignature:
    def test_inputs_are_the_customers_sensors(self, variant: Variant) -> None:
        fields = {field.name: field for field in variant.signature.inputs}
        assert list(fields) == [*SENSORS, STATE, SENSITIVITY]
        assert [fields[name].unit for name in SENSORS] == ["bar", None, None, "°C"]
        assert {fields[name].length for name in SENSORS} == {(1, MAX_STEPS)}
        readings = hours(1, 1500)[:, 0]
        assert fields["pressure"].trained == (readings.min(), readings.max())
        assert (fields[STATE].datatype, fields[STATE].optional) == ("BYTES", True)

    def test_outputs_match_signature(self, variant: Variant) -> None:
        answer = ask(variant, columns(hours(2, 30), leaking(hours(3, 30))))
        assert list(answer) == [field.name for field in variant.signature.outputs]
        for field in variant.signature.outputs:
            assert answer[field.name].shape == ((2, 30) if field.series else (2,))
        assert answer["score"].dtype == np.float32
        assert answer["alarm"].dtype == np.bool_
        assert {type(name) for name in answer["sensor"].ravel()} == {str}
        assert {type(text) for text in answer[STATE]} == {str}

    def test_input_units_are_converted(self, variant: Variant) -> None:
        asked = columns(hours(2, 200))
        psi = {**asked, "pressure": (asked["pressure"] * 14.503774).astype(np.float32)}
        accepted = validate_columns(variant.signature, psi, {"pressure": "psi"})
        assert variant.run(accepted)["score"] == pytest.approx(
            ask(variant, asked)["score"], abs=1e-3
        )


class TestAnomalyInference:
    def test_shifted_sensor_raises_alarm_and_is_named(self, variant: Variant) -> None:
        readings = hours(2, 200)
        readings[100:, 2] += 2.0
        answer = ask(variant, columns(readings))
        assert not answer["alarm"][0, :100].any()
        assert answer["alarm"][0, 120:].all()
        assert set(answer["sensor"][0, 120:]) == {"current"}
        assert np.array_equal(answer["alarm"], answer["score"] > 1)

    @pytest.mark.parametrize("wild", [3e38, -3e38])
    def test_largest_float_values_give_finite_scores(self, variant: Variant, wild: float) -> None:
        answer = ask(variant, columns(np.full((5, 4), wild)))
        assert np.isfinite(answer["score"]).all()
        assert answer["alarm"].all()
        ask(variant, columns(hours(2, 5), state=answer[STATE].tolist()))

    def test_unequal_step_counts_are_rejected(self, variant: Variant) -> None:
        asked = {**columns(hours(2, 30)), "current": np.zeros((1, 29), dtype=np.float32)}
        with pytest.raises(InputInvalid, match="'current' has 29 steps, but 'pressure' has 30"):
            ask(variant, asked)


class TestDetectorState:
    def test_calls_with_state_equal_a_single_call(self, variant: Variant) -> None:
        machines = [hours(2, 60), leaking(hours(3, 60))]
        whole = ask(variant, columns(*machines))
        state = ["", ""]
        parts = []
        for start, end in ((0, 25), (25, 26), (26, 60)):
            answer = ask(variant, columns(*(one[start:end] for one in machines), state=state))
            parts.append(answer["score"])
            state = answer[STATE].tolist()
        assert np.concatenate(parts, axis=1) == pytest.approx(whole["score"], rel=1e-5)

    def test_missing_or_empty_state_starts_anew(self, variant: Variant) -> None:
        machines = [hours(2, 20), hours(3, 20)]
        first = ask(variant, columns(machines[0]))
        mixed = ask(variant, columns(*machines, state=[first[STATE][0], ""]))
        assert mixed["score"][1] == pytest.approx(ask(variant, columns(machines[1]))["score"][0])

    def test_state_is_accepted_by_reloaded_variant(self, variant: Variant) -> None:
        state = ask(variant, columns(hours(2, 20)))[STATE].tolist()
        ask(load(artefact()), columns(hours(3, 20), state=state))

    def test_state_size_is_bounded_per_sensor(self, variant: Variant) -> None:
        assert len(ask(variant, columns(hours(2, 1000)))[STATE][0]) <= 24 * len(SENSORS)

    def test_state_of_other_variant_is_rejected(self, variant: Variant) -> None:
        other = ask(load(artefact(seed=9)), columns(hours(2, 20)))[STATE][0]
        with pytest.raises(
            InputInvalid, match=r"'state' in row 1 .* another fine-tuned model"
        ) as caught:
            ask(variant, columns(hours(2, 20), hours(3, 20), state=["", other]))
        assert caught.value.param == STATE

    @pytest.mark.parametrize("how", ["cut", "changed", "rubbish", "not ASCII", "longer"])
    def test_damaged_state_is_rejected(self, variant: Variant, how: str) -> None:
        text = ask(variant, columns(hours(2, 20)))[STATE][0]
        broken = {
            "cut": text[:-8],
            "changed": text[:30] + ("A" if text[30] != "A" else "B") + text[31:],
            "rubbish": "rubbish!",
            "not ASCII": "状态",
            "longer": text * 2,
        }[how]
        asked = columns(hours(2, 20), state=[broken])
        with pytest.raises(
            InputInvalid, match="'state' in row 0 is not a state of this fine-tuned model"
        ):
            variant.check(asked)
        with pytest.raises(InputInvalid, match="'state' in row 0"):
            variant.run(asked)


class TestAnomalyArtefact:
    def test_artefact_round_trips_exactly(self, variant: Variant) -> None:
        fitted = fit([hours(1, 1500)], SENSORS)
        assert variant.detector.whitening.tolist() == fitted.whitening.tolist()
        assert variant.detector.level.tolist() == fitted.level.tolist()
        assert variant.detector.slow.tolist() == fitted.slow.tolist()
        assert variant.detector.weight == fitted.weight

    @pytest.mark.parametrize("broken", [b"", b"rubbish", b"[]", b"{}", b"\xff\xfe", b"\x80\x04."])
    def test_invalid_bytes_are_rejected(self, broken: bytes) -> None:
        with pytest.raises(VariantBroken, match="not a fine-tuned model"):
            load(broken)

    def test_truncated_artefact_is_rejected(self) -> None:
        with pytest.raises(VariantBroken, match="not a fine-tuned model"):
            load(artefact()[:-10])

    def test_other_version_is_rejected(self) -> None:
        document = {**json.loads(artefact()), "version": 2, "whitening": "another form"}
        with pytest.raises(VariantBroken, match="version 2, not 1"):
            load(json.dumps(document).encode())

    @pytest.mark.parametrize(
        ("changes", "words"),
        [
            ({"weight": 0}, "weights"),
            ({"baseline_weight": 2.0}, "weights"),
            ({"sensors": []}, "names"),
            ({"whitening": [[1.0] * 4] * 3}, "matrix is not of its 4 sensors"),
            ({"whitening": [[1.0] * 4] * 3 + [[1.0]]}, "matrix is not of its 4 sensors"),
            ({"whitening": [[None] * 4] * 4}, "not a fine-tuned model"),
        ],
    )
    def test_inconsistent_values_are_rejected(self, changes: dict[str, Any], words: str) -> None:
        document = {**json.loads(artefact()), **changes}
        with pytest.raises(VariantBroken, match=words):
            load(json.dumps(document).encode())

    def test_duplicate_sensor_names_are_rejected(self) -> None:
        document = json.loads(artefact())
        document["sensors"][1]["name"] = document["sensors"][0]["name"]
        with pytest.raises(VariantBroken, match="no names of their own"):
            load(json.dumps(document).encode())


class TestSensitivity:
    def test_higher_sensitivity_only_adds_alarms(self, variant: Variant) -> None:
        asked = columns(hours(2, 300), leaking(hours(3, 300)))
        before = np.zeros((2, 300), dtype=np.bool_)
        counts = []
        for value in (0.7, 0.8, 1.0, 1.5, 2.0, 3.0, 4.0):
            rows = np.full(2, value, dtype=np.float32)
            alarm = ask(variant, {**asked, SENSITIVITY: rows})["alarm"]
            assert np.all(alarm[before])
            before = alarm
            counts.append(int(alarm.sum()))
        assert counts == sorted(counts)
        assert counts[0] < counts[-1]

    def test_missing_sensitivity_defaults_to_1(self, variant: Variant) -> None:
        asked = columns(leaking(hours(3, 300)))
        one = ask(variant, {**asked, SENSITIVITY: np.ones(1, dtype=np.float32)})
        assert np.array_equal(ask(variant, asked)["alarm"], one["alarm"])

    @pytest.mark.parametrize("value", [0.6, 4.1, np.nan])
    def test_sensitivity_out_of_range_is_rejected(self, variant: Variant, value: float) -> None:
        asked = {**columns(hours(2, 30)), SENSITIVITY: np.array([value], dtype=np.float32)}
        with pytest.raises(InputInvalid, match="'sensitivity'"):
            validate_columns(variant.signature, asked, {})

    def test_signature_has_sensitivity_range_and_default(self, variant: Variant) -> None:
        found = {one.name: one for one in variant.signature.inputs}[SENSITIVITY]
        assert (found.minimum, found.maximum, found.default) == (0.7, 4.0, 1.0)
        assert (found.unit, found.optional) == ("1", True)

    def test_higher_fitted_sensitivity_adds_alarms_and_is_described(self) -> None:
        alarms = []
        for value in (0.25, 0.5, 1.0, 2.0, 4.0):
            detector = fit([hours(1, 1500)], SENSORS, Settings(sensitivity=value))
            loaded = load(render(detector, {}, [hours(1, 1500)], value))
            described = {one.name: one for one in loaded.signature.inputs}[SENSITIVITY].description
            assert described.endswith(f"fitted with {value:g}")
            verdict, _ = detector.run(leaking(hours(3, 300))[np.newaxis])
            alarms.append(int(verdict.alarm.sum()))
        assert alarms == sorted(alarms)
        assert alarms[0] < alarms[-1]
