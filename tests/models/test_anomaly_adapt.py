"""Fine-tuning of the anomaly detector: results, progress and validation of the file."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from models.adaptation import Adaptation, TrainingFileInvalid
from models.anomaly.adapt import METRIC, adapt
from models.anomaly.detector import Floats
from models.anomaly.fitting import fit
from models.anomaly.settings import Settings
from models.anomaly.training_file import MAX_SENSORS, read_hours
from models.anomaly.variant import load
from tests.support.models.made_up_rig import SENSORS, hours, leaking

UNITS = {"pressure": "bar", "room": "°C"}


def line(readings: Floats, **more: Any) -> dict[str, Any]:
    return {"sensors": dict(zip(SENSORS, readings.T.tolist(), strict=True)), **more}


def file_of(*lines: Mapping[str, Any]) -> bytes:
    return "\n".join(json.dumps(one, ensure_ascii=False) for one in lines).encode()


def adapted(*lines: Mapping[str, Any]) -> tuple[Adaptation, list[str]]:
    told: list[str] = []
    return adapt(file_of(*lines), told.append), told


def refused(*lines: Mapping[str, Any]) -> str:
    with pytest.raises(TrainingFileInvalid) as caught:
        adapted(*lines)
    return caught.value.message


def changed(number: int, value: Any) -> dict[str, Any]:
    """Return a line with `value` as the flow's reading at `number`."""
    one = line(hours(1, 300))
    one["sensors"]["flow"][number] = value
    return one


class TestAnomalyFineTuning:
    def test_score_and_progress_are_reported(self) -> None:
        adaptation, told = adapted(
            line(hours(1, 1500), units=UNITS),
            line(leaking(hours(3, 300)), label="anomalous"),
            line(hours(2, 1000), label="normal"),
        )
        assert adaptation.score.metric == METRIC
        assert adaptation.score.base is None
        assert not adaptation.score.higher_is_better
        assert adaptation.score.adapted < 2
        assert (adaptation.examples, adaptation.held_out) == (2500, 500)
        assert (
            told[0] == "Read 2500 rows of normal operation from 4 sensors "
            "and 300 rows of anomalous operation."
        )
        assert "held out" in told[1]
        missed = float(told[2].split()[0])
        assert told[2] == f"{missed} % of the anomalous rows raised no alarm."
        assert missed < 20
        assert told[3].endswith("These sensors drift, so only their changes are used: room.")

    def test_miss_rate_is_unknown_without_anomalous_rows(self) -> None:
        _, told = adapted(line(hours(1, 1500)))
        assert (
            told[2] == "There are no anomalous rows, so the share of missed anomalies is unknown."
        )

    def test_anomalous_rows_do_not_change_the_variant(self) -> None:
        normal = line(hours(1, 600))
        one, _ = adapted(normal)
        other, _ = adapted(normal, line(leaking(hours(2, 600)), label="anomalous"))
        assert one.artefact == other.artefact

    def test_variant_is_fitted_on_all_normal_rows(self) -> None:
        stretches = [hours(1, 600), hours(2, 400)]
        adaptation, _ = adapted(*map(line, stretches))
        fitted = fit(stretches, SENSORS)
        loaded = load(adaptation.artefact).detector
        assert loaded.whitening.tolist() == fitted.whitening.tolist()

    def test_last_fifth_is_held_out_for_scoring(self) -> None:
        """The last two of ten stretches deviate: all their rows raise alarms unless fitted on."""
        stretches = [hours(seed, 200) for seed in range(10)]
        for one in stretches[8:]:
            one[:, 2] += 5.0
        adaptation, told = adapted(*map(line, stretches))
        assert adaptation.score.adapted > 90
        assert told[2].startswith("This rate is high.")
        turned, _ = adapted(*map(line, stretches[::-1]))
        assert turned.score.adapted < 5

    def test_split_stretch_continues_detector_state(self) -> None:
        readings = hours(1, 1000)
        readings[795:, 2] += 1.5
        adaptation, _ = adapted(line(readings))
        detector = fit([readings[:800]], SENSORS)
        whole, _ = detector.run(readings[np.newaxis])
        begun, _ = detector.run(readings[np.newaxis, 800:])
        assert adaptation.score.adapted == pytest.approx(100 * whole.alarm[:, 800:].mean())
        assert begun.alarm.mean() < whole.alarm[:, 800:].mean()

    def test_fine_tuning_is_deterministic(self) -> None:
        lines = [line(hours(seed, 300)) for seed in (1, 2)]
        assert adapted(*lines)[0] == adapted(*lines)[0]

    def test_sensor_order_within_a_line_is_ignored(self) -> None:
        second = line(hours(2, 300))
        turned = {"sensors": dict(reversed(second["sensors"].items()))}
        first = line(hours(1, 300))
        assert adapted(first, turned)[0] == adapted(first, second)[0]

    def test_readings_are_rounded_to_request_precision(self) -> None:
        readings = hours(1, 300) + 1e-12
        assert np.array_equal(
            read_hours(file_of(line(readings)), Settings()).normal[0], hours(1, 300)
        )

    def test_units_in_a_single_line_apply_to_all_lines(self) -> None:
        content = file_of(line(hours(1, 300)), line(hours(2, 300), units=UNITS))
        units = read_hours(content, Settings()).units
        assert units == UNITS


class TestReadingValidation:
    @pytest.mark.parametrize("word", ["NaN", "Infinity", "-Infinity"])
    def test_nan_and_infinity_are_rejected(self, word: str) -> None:
        message = refused(line(hours(2, 300)), changed(7, float(word)))
        assert message == f"Line 2: 'flow' contains {word}."

    @pytest.mark.parametrize("value", [None, "61", True, [61.0], {}])
    def test_non_number_is_rejected_with_index(self, value: Any) -> None:
        message = refused(line(hours(2, 300)), changed(7, value))
        assert message.startswith("Line 2: 'flow': Expected `float`, got ")
        assert "$[7]" in message

    def test_too_large_reading_is_rejected(self) -> None:
        assert refused(changed(7, -1e39)) == "Line 1: 'flow', reading 7 (-1e+39) is too large."
        huge = file_of(changed(7, 1.5)).replace(b"1.5,", b"1e999,", 1)
        with pytest.raises(TrainingFileInvalid, match=r"Line 1: .*flow"):
            adapt(huge, lambda _: None)

    def test_unequal_reading_counts_are_rejected(self) -> None:
        one = line(hours(1, 300))
        one["sensors"]["current"].pop()
        assert refused(one) == "Line 1: 'current' has 299 readings, but 'pressure' has 300."

    def test_constant_sensor_is_rejected(self) -> None:
        stretches = [hours(1, 300), hours(2, 300)]
        for readings in stretches:
            readings[:, 2] = 3.25
        assert "'current' never changed" in refused(*map(line, stretches))

    def test_sensor_constant_in_fitting_rows_is_rejected(self) -> None:
        readings = hours(1, 500)
        readings[:400, 2] = 3.25
        message = refused(line(readings))
        assert message.startswith("In the first four fifths of the normal rows: 'current' never")


class TestLineValidation:
    def test_lines_with_other_sensors_are_rejected(self) -> None:
        first, second = line(hours(1, 300)), line(hours(2, 300))
        second["sensors"]["speed"] = second["sensors"]["current"]
        assert refused(first, second) == "Line 2: the sensor 'speed' is not in the first line."
        del second["sensors"]["current"]
        assert refused(first, second) == (
            "Line 2: the sensor 'current' is missing. There is 1 more problem."
        )

    def test_too_few_rows_are_rejected(self) -> None:
        message = refused(line(hours(1, 249)))
        assert message == "249 rows of normal operation are too few: 4 sensors need at least 250."
        adapted(line(hours(1, 250)))

    def test_short_stretch_is_rejected(self) -> None:
        message = refused(line(hours(1, 300)), line(hours(2, 99)))
        assert message.startswith("Line 2: a segment of normal operation needs at least 100 rows")
        message = refused(line(hours(1, 300)), line(hours(2, 0), label="anomalous"))
        assert message.endswith("this segment has 0.")

    def test_file_without_normal_rows_is_rejected(self) -> None:
        assert refused(line(hours(1, 300), label="anomalous")).startswith("All lines are anomalous")

    @pytest.mark.parametrize("label", ["normal", "anomalous"])
    def test_duplicate_line_is_rejected(self, label: str) -> None:
        one = line(hours(1, 300))
        message = refused(one, line(hours(2, 300)), {**one, "label": label})
        assert message == "Line 3 has the same readings as line 1."

    def test_unknown_label_is_rejected(self) -> None:
        assert "Line 1: Invalid enum value 'bad'" in refused(line(hours(1, 300), label="bad"))

    def test_unknown_field_is_rejected(self) -> None:
        assert "unknown field `unit`" in refused(line(hours(1, 300), unit="bar"))

    @pytest.mark.parametrize("empty", [b"", b"\n \n"])
    def test_empty_file_is_rejected(self, empty: bytes) -> None:
        with pytest.raises(TrainingFileInvalid, match="has no line"):
            adapt(empty, lambda _: None)

    @pytest.mark.parametrize("broken", [b"{", b"[]", b"\xff", b'{"sensors": [1]}'])
    def test_malformed_json_is_rejected_with_line(self, broken: bytes) -> None:
        with pytest.raises(TrainingFileInvalid, match="Line 1: "):
            adapt(broken, lambda _: None)


class TestSensorNamesAndUnits:
    @pytest.mark.parametrize("name", ["", "state", "a\nb", "x" * 65])
    def test_invalid_sensor_name_is_rejected(self, name: str) -> None:
        message = refused({"sensors": {name: [1.0, 2.0] * 150}})
        assert message.startswith("Line 1: ")
        assert "cannot be a sensor's name" in message

    @pytest.mark.parametrize("count", [0, MAX_SENSORS + 1])
    def test_sensor_count_outside_limits_is_rejected(self, count: int) -> None:
        message = refused({"sensors": {str(number): [1.0] for number in range(count)}})
        assert message.startswith(
            f"Line 1: there are {count} sensors; 1 to {MAX_SENSORS} are allowed."
        )

    def test_single_sensor_is_accepted(self) -> None:
        adaptation, _ = adapted({"sensors": {"压力": hours(1, 1500)[:, 0].tolist()}})
        assert load(adaptation.artefact).detector.sensors == ("压力",)

    def test_conflicting_units_are_rejected(self) -> None:
        message = refused(
            line(hours(1, 300), units=UNITS), line(hours(2, 300), units={"pressure": "psi"})
        )
        assert message == "Line 2: 'pressure' is in 'psi', but in an earlier line in 'bar'."

    def test_unit_for_unknown_sensor_is_rejected(self) -> None:
        message = refused(line(hours(1, 300), units={"speed": "rpm"}))
        assert message == "Line 1: there is a unit for 'speed', which is not a sensor."

    def test_unknown_unit_is_rejected(self) -> None:
        message = refused(line(hours(1, 300), units={"pressure": "baar"}))
        assert message.startswith("Line 1: 'pressure' has the unknown unit 'baar'.")
