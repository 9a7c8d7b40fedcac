"""Remaining life from complete histories: age and beginning of machines that wear at one age."""

from collections.abc import Sequence
from functools import cache

import msgspec
import numpy as np
import pytest

from models.series.life.adapt import LifeAdapter
from models.series.life.history import LifeStart, find_start
from models.series.life.network import LifeNetwork, standardize
from models.series.life.network_fitting import fit_network
from models.series.life.variant import LifeVariant, load
from models.series.series import Series, SeriesColumn, SeriesSet
from models.signature import Columns, validate_columns
from models.tables.columns import Kind
from models.tables.schema import SchemaRequest
from tests.support.models.tables import csv
from tests.support.nightly import nightly

MACHINES, LIFE = 20, 30


def ageing(count: int, seed: int) -> dict[str, list[object]]:
    """Machines that all fail near the same age, each with a level of its own: wear hardly shows."""
    generator = np.random.default_rng(seed)
    columns: dict[str, list[object]] = {name: [] for name in ("machine", "cycle", "noise", "heat")}
    for number in range(count):
        length = LIFE + int(generator.integers(-1, 2))
        level = generator.normal(0, 5)
        columns["machine"] += [f"M{number}"] * length
        columns["cycle"] += list(range(1, length + 1))
        columns["noise"] += np.round(generator.normal(0, 1, length), 3).tolist()
        wear = np.linspace(0, 2, length) ** 2
        columns["heat"] += np.round(level + wear + generator.normal(0, 1, length), 3).tolist()
    return columns


@cache
def trained() -> tuple[LifeVariant, tuple[str, ...]]:
    told: list[str] = []
    request = SchemaRequest(machine="machine", time="cycle", cap=LIFE)
    adaptation = LifeAdapter(request)(csv(ageing(MACHINES, 1)), lambda one: told.append(str(one)))
    return load(adaptation.artefact), tuple(told)


def history(machine: int, steps: int) -> dict[str, list[float]]:
    """The first steps of a machine that training has not seen."""
    columns = ageing(8, 2)
    rows = [at for at, name in enumerate(columns["machine"]) if name == f"M{machine}"][:steps]
    return {
        name: [float(str(columns[name][at])) for at in rows] for name in ("cycle", "noise", "heat")
    }


def call(*rows: dict[str, list[float]], variant: LifeVariant | None = None) -> Columns:
    chosen = variant or trained()[0]
    names = rows[0]
    given = {name: np.array([row[name] for row in rows], dtype=np.float64) for name in names}
    columns = validate_columns(chosen.signature, given, {})
    chosen.check(columns)
    return chosen.run(columns)


def without_times(row: dict[str, list[float]]) -> dict[str, list[float]]:
    return {**row, "cycle": [float("nan")] * len(row["cycle"])}


def later(row: dict[str, list[float]]) -> dict[str, list[float]]:
    return {**row, "cycle": [time + 40 for time in row["cycle"]]}


class TestPrediction:
    @nightly
    def test_age_makes_the_prediction_of_unseen_machines_better(self) -> None:
        cases = [(history(number, steps), 30 - steps) for number in range(8) for steps in (12, 22)]
        with_age = [float(call(row)["value"][0]) - left for row, left in cases]
        without = [float(call(without_times(row))["value"][0]) - left for row, left in cases]
        assert np.sqrt(np.mean(np.square(with_age))) < 0.7 * np.sqrt(np.mean(np.square(without)))

    def test_training_tells_when_histories_begin(self) -> None:
        variant, told = trained()
        assert variant.document.complete is not None
        assert variant.document.complete.start.new == 1
        assert any("'cycle' begins with the machine, at 1" in one for one in told)

    def test_history_that_begins_later_is_judged_by_its_last_steps(self) -> None:
        row = history(0, 20)
        found, last = call(later(row)), call(without_times(row))
        assert found["value"] == last["value"]
        assert found["outside"].tolist() == [""]

    def test_rows_with_and_without_a_beginning_are_answered_in_their_order(self) -> None:
        rows = [
            without_times(history(0, 20)),
            history(1, 20),
            later(history(2, 20)),
            history(3, 20),
        ]
        together = call(*rows)
        assert together["value"].tolist() == [float(call(row)["value"][0]) for row in rows]
        assert together["reasons"].tolist() == [call(row)["reasons"][0].tolist() for row in rows]

    def test_interval_without_a_beginning_is_wider(self) -> None:
        row = history(0, 20)
        widths = [
            float(found["upper"][0] - found["lower"][0])
            for found in (call(row), call(without_times(row)))
        ]
        assert widths[1] > widths[0]

    def test_age_is_a_reason_and_contributions_add_up(self) -> None:
        variant, _ = trained()
        complete = variant.document.complete
        assert complete is not None
        found = call(history(0, 25))
        assert "cycle" in found["reasons"][0]
        total = complete.base[0] + found["contributions"][0].sum()
        assert found["value"][0] == pytest.approx(total, abs=1e-3)

    def test_age_above_all_in_training_is_outside(self) -> None:
        row = history(0, 20)
        older = {**row, "cycle": [1.0, *(time + 60 for time in row["cycle"][1:])]}
        assert call(older)["outside"].tolist() == ["cycle"]

    def test_signature_tells_what_times_are_for(self) -> None:
        fields = {field.name: field for field in trained()[0].signature.inputs}
        assert "begin with the machine, at 1" in fields["cycle"].description

    def test_artefact_without_the_model_of_histories_reads_last_steps(self) -> None:
        document = msgspec.to_builtins(trained()[0].document, builtin_types=(bytes,))
        del document["complete"]
        earlier = load(msgspec.msgpack.encode(document))
        row = history(0, 20)
        assert call(row, variant=earlier)["value"] == call(without_times(row))["value"]


def histories_from(firsts: Sequence[float], kind: Kind | None = Kind.NUMBER) -> SeriesSet:
    """Series of 100 steps with these first times."""
    steps = np.arange(100.0)
    series = [
        Series(f"M{number}", steps[:, np.newaxis], first + steps, np.arange(100))
        for number, first in enumerate(firsts)
    ]
    return SeriesSet((SeriesColumn("heat", None, 0, 99),), tuple(series), "hours", kind)


class TestStart:
    def test_times_that_begin_alike_count_from_new(self) -> None:
        start = find_start(histories_from([1, 2, 4]))
        assert start is not None
        assert (start.new, start.oldest) == (1, 102)
        assert start.latest == pytest.approx(1 + 0.05 * 99)

    @pytest.mark.parametrize(
        ("firsts", "kind"),
        [([0, 50], Kind.NUMBER), ([0, 0], Kind.TIME), ([0, 0], None)],
        ids=["one began later", "dates", "no times"],
    )
    def test_other_times_do_not(self, firsts: list[float], kind: Kind | None) -> None:
        assert find_start(histories_from(firsts, kind)) is None

    @pytest.mark.parametrize(
        ("times", "age"),
        [
            ([1, 2, 30], 29),
            ([3, 4, 30], 29),
            ([6, 7, 30], np.nan),
            ([0, 1, 2], np.nan),
            ([np.nan, 2, 30], np.nan),
            ([1, 2, np.nan], np.nan),
        ],
    )
    def test_age_is_known_if_times_begin_when_new(self, times: list[float], age: float) -> None:
        found = LifeStart(1, 5, 100).ages(np.array([times], dtype=float))
        assert found == pytest.approx(age, nan_ok=True)


class TestNetwork:
    def test_network_learns_a_curve_and_stays_within_the_cap(self) -> None:
        generator = np.random.default_rng(0)
        raw = generator.uniform(-2, 2, (600, 2))
        life = np.clip(50 * raw[:, 0] ** 2, 0, 100)
        network = fit_network(raw, life, 100.0, is_large=False)
        assert np.sqrt(np.mean((network.predict(raw) - life) ** 2)) < 0.3 * life.std()
        far = network.predict(np.array([[1e6, -1e6], [np.nan, np.nan]]))
        assert ((far >= 0) & (far <= 100)).all()

    def test_stored_network_predicts_the_same(self) -> None:
        raw = np.random.default_rng(1).normal(0, 1, (80, 3))
        network = fit_network(raw, np.abs(raw[:, 0]) * 10, 40.0, is_large=False)
        stored = msgspec.msgpack.decode(msgspec.msgpack.encode(network), type=LifeNetwork)
        assert np.array_equal(stored.predict(raw), network.predict(raw))

    def test_missing_values_count_as_the_mean(self) -> None:
        scaled = standardize(np.array([[np.nan, 4.0]]), np.array([1.0, 2.0]), np.array([1.0, 2.0]))
        assert scaled.tolist() == [[0.0, 1.0]]
