"""A customer's training file: what is learned and told of it, and what is refused and how."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from models.adaptation import Adaptation, TrainingFileInvalid
from models.anomaly.adapt import METRIC, adapt
from models.anomaly.detector import Floats
from models.anomaly.fitting import fit
from models.anomaly.hours import MAX_SENSORS, read_hours
from models.anomaly.settings import Settings
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
    """A line whose flow has another reading at `number`."""
    one = line(hours(1, 300))
    one["sensors"]["flow"][number] = value
    return one


class TestLearning:
    def test_what_is_told(self) -> None:
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

    def test_nothing_is_said_of_misses_without_anomalous_hours(self) -> None:
        _, told = adapted(line(hours(1, 1500)))
        assert (
            told[2] == "There are no anomalous rows, so the share of missed anomalies is unknown."
        )

    def test_anomalous_hours_are_not_learned_from(self) -> None:
        normal = line(hours(1, 600))
        one, _ = adapted(normal)
        other, _ = adapted(normal, line(leaking(hours(2, 600)), label="anomalous"))
        assert one.artefact == other.artefact

    def test_is_fitted_on_all_normal_hours_in_the_end(self) -> None:
        stretches = [hours(1, 600), hours(2, 400)]
        adaptation, _ = adapted(*map(line, stretches))
        fitted = fit(stretches, SENSORS)
        loaded = load(adaptation.artefact).detector
        assert loaded.whitening.tolist() == fitted.whitening.tolist()

    def test_the_held_out_fifth_is_the_last_and_not_learned_from(self) -> None:
        """Of ten stretches the last two are off: all alarms, were they not learned from."""
        stretches = [hours(seed, 200) for seed in range(10)]
        for one in stretches[8:]:
            one[:, 2] += 5.0
        adaptation, told = adapted(*map(line, stretches))
        assert adaptation.score.adapted > 90
        assert told[2].startswith("This rate is high.")
        turned, _ = adapted(*map(line, stretches[::-1]))
        assert turned.score.adapted < 5

    def test_a_stretch_that_is_cut_goes_on_where_it_was(self) -> None:
        readings = hours(1, 1000)
        readings[795:, 2] += 1.5
        adaptation, _ = adapted(line(readings))
        detector = fit([readings[:800]], SENSORS)
        whole, _ = detector.run(readings[np.newaxis])
        begun, _ = detector.run(readings[np.newaxis, 800:])
        assert adaptation.score.adapted == pytest.approx(100 * whole.alarm[:, 800:].mean())
        assert begun.alarm.mean() < whole.alarm[:, 800:].mean()

    def test_the_same_file_gives_the_same_variant(self) -> None:
        lines = [line(hours(seed, 300)) for seed in (1, 2)]
        assert adapted(*lines)[0] == adapted(*lines)[0]

    def test_the_order_of_a_lines_sensors_does_not_matter(self) -> None:
        second = line(hours(2, 300))
        turned = {"sensors": dict(reversed(second["sensors"].items()))}
        first = line(hours(1, 300))
        assert adapted(first, turned)[0] == adapted(first, second)[0]

    def test_readings_are_learned_as_exact_as_they_are_asked(self) -> None:
        readings = hours(1, 300) + 1e-12
        assert np.array_equal(
            read_hours(file_of(line(readings)), Settings()).normal[0], hours(1, 300)
        )

    def test_units_may_be_stated_once(self) -> None:
        content = file_of(line(hours(1, 300)), line(hours(2, 300), units=UNITS))
        units = read_hours(content, Settings()).units
        assert units == UNITS


class TestReadings:
    @pytest.mark.parametrize("word", ["NaN", "Infinity", "-Infinity"])
    def test_words_for_numbers(self, word: str) -> None:
        message = refused(line(hours(2, 300)), changed(7, float(word)))
        assert message == f"Line 2: 'flow' contains {word}."

    @pytest.mark.parametrize("value", [None, "61", True, [61.0], {}])
    def test_what_is_no_number(self, value: Any) -> None:
        message = refused(line(hours(2, 300)), changed(7, value))
        assert message.startswith("Line 2: 'flow': Expected `float`, got ")
        assert "$[7]" in message

    def test_what_is_too_large(self) -> None:
        assert refused(changed(7, -1e39)) == "Line 1: 'flow', reading 7 (-1e+39) is too large."
        huge = file_of(changed(7, 1.5)).replace(b"1.5,", b"1e999,", 1)
        with pytest.raises(TrainingFileInvalid, match=r"Line 1: .*flow"):
            adapt(huge, lambda _: None)

    def test_unequal_lengths(self) -> None:
        one = line(hours(1, 300))
        one["sensors"]["current"].pop()
        assert refused(one) == "Line 1: 'current' has 299 readings, but 'pressure' has 300."

    def test_a_constant_sensor(self) -> None:
        stretches = [hours(1, 300), hours(2, 300)]
        for readings in stretches:
            readings[:, 2] = 3.25
        assert "'current' never changed" in refused(*map(line, stretches))

    def test_a_sensor_that_moves_in_what_is_held_out_only(self) -> None:
        readings = hours(1, 500)
        readings[:400, 2] = 3.25
        message = refused(line(readings))
        assert message.startswith("In the first four fifths of the normal rows: 'current' never")


class TestLines:
    def test_other_sensors(self) -> None:
        first, second = line(hours(1, 300)), line(hours(2, 300))
        second["sensors"]["speed"] = second["sensors"]["current"]
        assert refused(first, second) == "Line 2: the sensor 'speed' is not in the first line."
        del second["sensors"]["current"]
        assert refused(first, second) == (
            "Line 2: the sensor 'current' is missing. There is 1 more problem."
        )

    def test_too_few_rows(self) -> None:
        message = refused(line(hours(1, 249)))
        assert message == "249 rows of normal operation are too few: 4 sensors need at least 250."
        adapted(line(hours(1, 250)))

    def test_a_short_stretch(self) -> None:
        message = refused(line(hours(1, 300)), line(hours(2, 99)))
        assert message.startswith("Line 2: a segment of normal operation needs at least 100 rows")
        message = refused(line(hours(1, 300)), line(hours(2, 0), label="anomalous"))
        assert message.endswith("but this one has 0.")

    def test_all_anomalous(self) -> None:
        assert refused(line(hours(1, 300), label="anomalous")).startswith("All lines are anomalous")

    @pytest.mark.parametrize("label", ["normal", "anomalous"])
    def test_the_same_line_again(self, label: str) -> None:
        one = line(hours(1, 300))
        message = refused(one, line(hours(2, 300)), {**one, "label": label})
        assert message == "Line 3 has the same readings as line 1."

    def test_a_label_that_there_is_not(self) -> None:
        assert "Line 1: Invalid enum value 'bad'" in refused(line(hours(1, 300), label="bad"))

    def test_a_key_that_there_is_not(self) -> None:
        assert "unknown field `unit`" in refused(line(hours(1, 300), unit="bar"))

    @pytest.mark.parametrize("empty", [b"", b"\n \n"])
    def test_an_empty_file(self, empty: bytes) -> None:
        with pytest.raises(TrainingFileInvalid, match="has no line"):
            adapt(empty, lambda _: None)

    @pytest.mark.parametrize("broken", [b"{", b"[]", b"\xff", b'{"sensors": [1]}'])
    def test_no_json_of_this_form(self, broken: bytes) -> None:
        with pytest.raises(TrainingFileInvalid, match="Line 1: "):
            adapt(broken, lambda _: None)


class TestNamesAndUnits:
    @pytest.mark.parametrize("name", ["", "state", "a\nb", "x" * 65])
    def test_a_name_that_cannot_be(self, name: str) -> None:
        message = refused({"sensors": {name: [1.0, 2.0] * 150}})
        assert message.startswith("Line 1: ")
        assert "cannot be a sensor's name" in message

    @pytest.mark.parametrize("count", [0, MAX_SENSORS + 1])
    def test_how_many(self, count: int) -> None:
        message = refused({"sensors": {str(number): [1.0] for number in range(count)}})
        assert message.startswith(
            f"Line 1: there are {count} sensors; 1 to {MAX_SENSORS} are allowed."
        )

    def test_one_sensor_serves(self) -> None:
        adaptation, _ = adapted({"sensors": {"压力": hours(1, 1500)[:, 0].tolist()}})
        assert load(adaptation.artefact).detector.sensors == ("压力",)

    def test_another_unit_in_another_line(self) -> None:
        message = refused(
            line(hours(1, 300), units=UNITS), line(hours(2, 300), units={"pressure": "psi"})
        )
        assert message == "Line 2: 'pressure' is in 'psi', but in an earlier line in 'bar'."

    def test_a_unit_of_no_sensor(self) -> None:
        message = refused(line(hours(1, 300), units={"speed": "rpm"}))
        assert message == "Line 1: there is a unit for 'speed', which is not a sensor."

    def test_a_unit_that_is_not_known(self) -> None:
        message = refused(line(hours(1, 300), units={"pressure": "baar"}))
        assert message.startswith("Line 1: 'pressure' has the unknown unit 'baar'.")
