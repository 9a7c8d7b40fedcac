"""Trained forecasters: scores, calls, gaps in the history, ranges, and broken artefacts."""

import datetime as dt
from functools import cache
from typing import Any

import msgspec
import numpy as np
import pytest

from models.adaptation import Adaptation, TrainingFileInvalid
from models.forecasting.adapt import ForecastAdapter
from models.forecasting.variant import ForecastVariant, load
from models.own_artefact import VariantBroken
from models.signature import InputInvalid, validate_columns
from models.tables.schema import SchemaRequest
from serving.specialists.specialist import concatenate_rows
from tests.support.models.series import load_curve, times
from tests.support.models.tables import csv
from tests.support.nightly import at_length, nightly

TARGET = "load [kW]"
ADAPTER = ForecastAdapter(SchemaRequest(target=TARGET), threads=1)


@cache
def trained() -> tuple[Adaptation, ForecastVariant, tuple[str, ...]]:
    told: list[str] = []
    adaptation = ADAPTER(csv(load_curve()), lambda sentence: told.append(str(sentence)))
    return adaptation, load(adaptation.artefact), tuple(told)


def history(rows: int = 84, **changes: Any) -> dict[str, Any]:
    """The columns of a call with the last rows of another such curve."""
    curve = load_curve(10, seed=9)
    return {
        "time": np.array([curve["time"][-rows:]], dtype=object),
        TARGET: np.array([curve[TARGET][-rows:]], dtype=np.float32),
        **changes,
    }


def run(**changes: Any) -> dict[str, Any]:
    _, variant, _ = trained()
    columns = validate_columns(variant.signature, history(**changes), {})
    variant.check(columns)
    return dict(variant.run(columns))


class TestTraining:
    @nightly
    def test_score_is_next_to_the_naive_forecasts(self) -> None:
        adaptation, _, told = trained()
        score = adaptation.score
        assert score.metric == "MASE, 42 steps ahead, rolling origins"
        assert score.base is not None
        assert score.adapted < 0.95 * score.base
        assert adaptation.examples == 504
        assert any("the model is better than that" in sentence for sentence in told)
        assert "It repeats itself every 1 day." in told

    def test_useless_column_is_not_asked_for(self) -> None:
        _, variant, told = trained()
        assert any("not better with outdoor" in sentence for sentence in told)
        names = [field.name for field in variant.signature.inputs]
        assert names == ["time", TARGET, "horizon", "level"]

    @nightly
    def test_same_file_gives_the_same_artefact(self) -> None:
        adaptation, _, _ = trained()
        assert ADAPTER(csv(load_curve()), lambda sentence: None).artefact == adaptation.artefact

    @nightly
    @pytest.mark.parametrize("seed", [7, 8])
    def test_random_walk_is_forecast_by_its_last_value(self, seed: int) -> None:
        walk = np.cumsum(np.random.default_rng(seed).normal(0, 1, 300)).round(3)
        columns: dict[str, list[object]] = {"time": times(300), "height": list(walk)}
        adapter = ForecastAdapter(SchemaRequest(target="height"), threads=1)
        told: list[str] = []
        adaptation = adapter(csv(columns), lambda sentence: told.append(str(sentence)))
        assert adaptation.score.adapted == adaptation.score.base
        assert "No season was found." in told
        assert "The forecast averages seasonal naive 100%." in told
        variant = load(adaptation.artefact)
        columns = {"time": times(60), "height": list(walk[:60])}
        row = {
            "time": np.array([columns["time"]], dtype=object),
            "height": np.array([columns["height"]], dtype=np.float32),
        }
        found = variant.run(validate_columns(variant.signature, row, {}))
        assert found["forecast"] == pytest.approx(walk[59], rel=1e-4)

    def test_series_that_is_too_short_to_test_is_rejected(self) -> None:
        columns = {name: values[:59] for name, values in load_curve().items()}
        with pytest.raises(TrainingFileInvalid, match="At least 60"):
            ADAPTER(csv(columns), lambda sentence: None)


class TestCalls:
    def test_forecast_follows_the_course_of_the_day(self) -> None:
        found = run()
        expected = load_curve(12, noise=0.0)[TARGET][240:282]
        assert found["forecast"].shape == (1, 42)
        assert np.abs(found["forecast"][0] - expected).mean() < 2.0
        assert found["time"][0][0] == "2026-03-12T00:00:00"
        assert (found["filled"].tolist(), found["outside"].tolist()) == ([0], [""])

    def test_prepared_columns_run_without_reading_the_history_again(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        _, variant, _ = trained()
        columns = validate_columns(variant.signature, history(), {})
        plain = variant.run(columns)
        prepared = variant.with_history(columns)
        monkeypatch.setattr("models.forecasting.variant.read_history", None)
        variant.check(prepared)
        found = variant.run(concatenate_rows([prepared]))
        assert {name: value.tolist() for name, value in found.items()} == {
            name: value.tolist() for name, value in plain.items()
        }
        assert variant.count_inputs(prepared, found) is not None

    def test_preparation_rejects_columns_of_unequal_length(self) -> None:
        _, variant, _ = trained()
        unequal = history(**{TARGET: history(80)[TARGET]})
        with pytest.raises(InputInvalid, match="has 80 values in each row, but 'time' has 84"):
            variant.with_history(validate_columns(variant.signature, unequal, {}))

    def test_interval_contains_the_forecast_and_grows_with_the_level(self) -> None:
        widths = []
        for level in (0.5, 0.99):
            found = run(level=np.array([level], dtype=np.float32))
            assert np.all(found["lower"] < found["forecast"])
            assert np.all(found["forecast"] < found["upper"])
            widths.append(found["upper"] - found["lower"])
        assert np.all(widths[1] > widths[0])

    def test_horizon_chooses_the_number_of_steps(self) -> None:
        found = run(horizon=np.array([5], dtype=np.float32))
        assert found["forecast"].shape == found["time"].shape == (1, 5)
        assert np.array_equal(found["forecast"], run()["forecast"][:, :5])

    def test_missing_steps_are_filled_and_counted(self) -> None:
        columns = history()
        kept = np.delete(np.arange(84), [10, 20, 21])
        found = run(time=columns["time"][:, kept], **{TARGET: columns[TARGET][:, kept]})
        assert found["filled"].tolist() == [3]
        assert np.abs(found["forecast"] - run()["forecast"]).max() < 10

    def test_longer_history_gives_the_same_forecast(self) -> None:
        assert np.array_equal(run(rows=120)["forecast"], run()["forecast"])

    def test_value_outside_the_trained_range_is_flagged(self) -> None:
        values = history()[TARGET].copy()
        values[0, 5] = 500.0
        assert run(**{TARGET: values})["outside"].tolist() == [TARGET]

    def test_units_are_converted(self) -> None:
        _, variant, _ = trained()
        watts = history()
        watts[TARGET] = watts[TARGET] * 1000
        columns = validate_columns(variant.signature, watts, {TARGET: "W"})
        assert variant.run(columns)["forecast"] == pytest.approx(run()["forecast"], rel=1e-3)


FORMS = ["%m/%d/%Y %H:%M", "%Y-%m-%d %H:%M", "%Y%m%dT%H%M%S"]


class TestFormsOfTimes:
    """Times of calls as the training file has them."""

    @staticmethod
    @cache
    def month_first() -> ForecastVariant:
        """Trained on a file whose days above 12 tell that the month is first."""
        curve = load_curve()
        curve["time"] = TestFormsOfTimes.written(curve["time"], "%m/%d/%Y %H:%M")
        return load(ADAPTER(csv(curve), lambda sentence: None).artefact)

    @staticmethod
    def written(moments: list[object], form: str) -> list[object]:
        return [dt.datetime.fromisoformat(str(one)).strftime(form) for one in moments]

    @pytest.mark.parametrize("form", at_length(FORMS, FORMS[:1]))
    def test_history_of_days_up_to_12_has_the_order_of_the_training_file(self, form: str) -> None:
        curve = load_curve(5, seed=9)
        row = {
            "time": np.array([self.written(curve["time"], form)], dtype=object),
            TARGET: np.array([curve[TARGET]], dtype=np.float32),
        }
        variant = self.month_first()
        found = variant.run(validate_columns(variant.signature, row, {}))
        assert found["filled"].tolist() == [0]
        assert found["time"][0][0] == "2026-03-07T00:00:00"

    def test_date_in_the_other_order_is_rejected(self) -> None:
        curve = load_curve(21, seed=9)
        row = {
            "time": np.array([self.written(curve["time"], "%d/%m/%Y %H:%M")], dtype=object),
            TARGET: np.array([curve[TARGET]], dtype=np.float32),
        }
        with pytest.raises(InputInvalid, match="'13/03/2026 00:00'"):
            self.month_first().run(validate_columns(self.month_first().signature, row, {}))

    @pytest.mark.parametrize("zone", ["+08:00", "Z", "-03:30", ""])
    def test_times_ahead_have_the_zone_of_the_history(self, zone: str) -> None:
        zoned = [f"{moment}{zone}" for moment in times(240)][-84:]
        found = run(time=np.array([zoned], dtype=object))
        assert found["time"][0][:2].tolist() == [
            f"2026-03-12T00:00:00{zone}",
            f"2026-03-12T01:00:00{zone}",
        ]

    def test_each_row_has_the_zone_of_its_latest_time(self) -> None:
        _, variant, _ = trained()
        summer = [f"{moment}+02:00" for moment in times(241)][-84:]
        winter = [f"{moment}+01:00" for moment in times(240)][-84:-10]
        moments = [[*winter, *summer[-10:]], [f"{moment}Z" for moment in times(84)]]
        row = validate_columns(variant.signature, history(time=np.array(moments[:1])), {})
        other = validate_columns(variant.signature, history(time=np.array(moments[1:])), {})
        batch = concatenate_rows([variant.with_history(row), variant.with_history(other)])
        found = variant.run(batch)
        assert found["time"][:, 0].tolist() == ["2026-03-12T01:00:00+02:00", "2026-03-05T12:00:00Z"]

    def test_artefact_without_an_order_reads_times_as_before(self) -> None:
        document = msgspec.msgpack.decode(trained()[0].artefact)
        del document["day_order"]
        assert load(msgspec.msgpack.encode(document)).document.day_order is None


class TestInvalidCalls:
    @pytest.mark.parametrize(
        ("changes", "param"),
        [
            ({"time": np.array([times(84, minutes=30)], dtype=object)}, "time"),
            ({"time": np.array([times(84, minutes=120)], dtype=object)}, "time"),
            ({"time": np.array([["yesterday"] * 84], dtype=object)}, "time"),
            ({"time": np.array([times(83)], dtype=object)}, TARGET),
            ({"horizon": np.array([43.0])}, "horizon"),
            ({"horizon": np.array([2.5])}, "horizon"),
            ({"level": np.array([0.2])}, "level"),
        ],
        ids=["half", "double step", "text", "lengths", "too far", "no whole number", "level"],
    )
    def test_field_is_named(self, changes: dict[str, Any], param: str) -> None:
        with pytest.raises(InputInvalid) as caught:
            run(**changes)
        assert caught.value.param == param

    def test_short_history_names_the_needed_steps(self) -> None:
        columns = history()
        with pytest.raises(InputInvalid, match="68 to 10000 values"):
            run(time=columns["time"][:, :20], **{TARGET: columns[TARGET][:, :20]})

    def test_rows_with_different_horizons_are_rejected(self) -> None:
        columns = history()
        both = {name: np.repeat(values, 2, axis=0) for name, values in columns.items()}
        with pytest.raises(InputInvalid, match="the same in all rows"):
            run(**both, horizon=np.array([5.0, 6.0]))


class TestBrokenArtefacts:
    def test_bytes_that_are_no_variant_are_rejected(self) -> None:
        for artefact in (b"", b"{}", b"\xff\xfe", msgspec.msgpack.encode({"version": 1})):
            with pytest.raises(VariantBroken):
                load(artefact)

    def test_other_version_and_broken_parts_are_rejected(self) -> None:
        document = msgspec.msgpack.decode(trained()[0].artefact)
        for changes in ({"version": 2}, {"trees": b"no graph"}, {"linear": b"123"}):
            with pytest.raises(VariantBroken):
                load(msgspec.msgpack.encode({**document, **changes}))
