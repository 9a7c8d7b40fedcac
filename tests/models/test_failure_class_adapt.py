"""Adapting the failure class: the training file, what it is refused for, and what comes of it."""

import json
import time
from typing import Any

import msgspec
import numpy as np
import pytest
from scipy.special import expit, logit

from models.adaptation import MAX_LINES, Adaptation, TrainingFileInvalid
from models.failure_class.adapt import adapt
from models.failure_class.base import BaseClassifier
from models.failure_class.data import Flags, OperatingPoints, load
from models.failure_class.evaluate import ADAPTATION_SEEDS, METRICS
from models.failure_class.labelled import MIN_ROWS, read_training_file
from models.failure_class.other_machines import DRAWS, HEAT_MACHINE, heat_failure_machine, run_trial
from models.failure_class.pooling import fit_weights, log_loss
from models.failure_class.signature import REASONS
from models.failure_class.train import ARTEFACT, run_artefact
from models.onnx_graph import METADATA_KEY, open_session
from models.signature import Signature
from models.training_data import TrainingDataMissing, default_directory
from serving.specialists.specialist import OnnxSpecialist, load_onnx_specialist
from tests.support.models.made_up_mill import (
    WEAKER,
    labelled_lines,
    operating_points,
    training_file,
)
from tests.support.nightly import nightly

BASE = BaseClassifier.from_artefact(ARTEFACT.read_bytes())
POINTS = operating_points(1, 400)
FAILED = WEAKER.failures(POINTS)
LINES = labelled_lines(POINTS, FAILED)
KB = 1024


def file(points: OperatingPoints, failed: Flags) -> bytes:
    return training_file(*labelled_lines(points, failed))


def changed(at: int, **changes: Any) -> bytes:
    """The file with some fields of the line `at`, from 1, replaced; those of `...` left out."""
    line = {name: value for name, value in (LINES[at - 1] | changes).items() if value is not ...}
    return training_file(*LINES[: at - 1], line, *LINES[at:])


def fails(content: bytes, said: str) -> None:
    with pytest.raises(TrainingFileInvalid, match=said):
        read_training_file(content, BASE.signature)


def loss(artefact: bytes, points: OperatingPoints, failed: Flags) -> float:
    probability = run_artefact(artefact, points).probability.astype(float)
    return log_loss(np.asarray(logit(np.clip(probability, 1e-7, 1 - 1e-7))), failed)


def refused(content: bytes) -> bool:
    """Whether there comes no variant of it: its labels mean nothing, or it is worse."""
    try:
        return adapt(content, lambda _: None).score.worse
    except TrainingFileInvalid as error:
        return "by chance" in str(error) or "look swapped" in str(error)


@pytest.fixture(scope="module")
def adaptation() -> tuple[Adaptation, list[str]]:
    said: list[str] = []
    return adapt(training_file(*LINES), said.append), said


@pytest.fixture(scope="module")
def recorded() -> dict[str, Any]:
    figures: dict[str, Any] = json.loads(METRICS.read_text(encoding="utf-8"))
    told: dict[str, Any] = figures["adapted_to_other_machines"]
    return told


class TestAdapting:
    def test_is_better_on_its_own_machine(self, adaptation: tuple[Adaptation, list[str]]) -> None:
        made, said = adaptation
        assert made.score.base is not None
        assert made.score.adapted < made.score.base / 2
        assert (made.examples, made.held_out) == (400, 400)
        assert said[0] == f"400 different operating points, {FAILED.sum()} of them failures."
        assert len(said) == 4

    def test_the_score_holds_on_rows_that_it_has_not_seen(self) -> None:
        """In the mean: of one file of this size it may be half as much off."""
        unseen = operating_points(2, 4000)
        failed = WEAKER.failures(unseen)
        claimed, kept = [], []
        for seed in range(11, 17):
            points = operating_points(seed, 400)
            made = adapt(file(points, WEAKER.failures(points)), lambda _: None)
            claimed.append(made.score.adapted)
            kept.append(loss(made.artefact, unseen, failed))
        assert np.mean(kept) == pytest.approx(np.mean(claimed), rel=0.2)
        assert max(kept) < loss(ARTEFACT.read_bytes(), unseen, failed) / 3

    def test_the_variant_is_served_like_its_base(
        self, adaptation: tuple[Adaptation, list[str]]
    ) -> None:
        base = load_onnx_specialist("mill", ARTEFACT)
        variant = base.load_variant("mill:line-3", "1", adaptation[0].artefact)
        assert isinstance(variant, OnnxSpecialist)
        names = [[one.name for one in side.signature.outputs] for side in (base, variant)]
        assert names[0] == names[1] == list(variant.run(POINTS.input_feed()))
        assert len(adaptation[0].artefact) < 250 * KB
        decided = "1 where failure_probability is at least 0."
        assert variant.signature.outputs[1].description.startswith(decided)

    def test_its_trained_range_is_that_of_both(self) -> None:
        points = operating_points(1, 400)
        points.torque[0], points.air_temperature[1] = 120.0, 291.5
        made = adapt(file(points, FAILED), lambda _: None)
        text = open_session(made.artefact).get_modelmeta().custom_metadata_map[METADATA_KEY]
        fields = {one.name: one for one in msgspec.json.decode(text, type=Signature).inputs}
        before = {one.name: one.trained for one in BASE.signature.inputs}
        assert fields["torque"].trained == (before["torque"][0], 120.0)  # type: ignore[index]
        assert fields["air_temperature"].trained[0] == 291.5  # type: ignore[index]
        assert fields["process_temperature"].trained[1] > before["process_temperature"][1]  # type: ignore[index]
        assert fields["type"].trained is None

    def test_reasons_add_up_to_no_more_than_the_answer(
        self, adaptation: tuple[Adaptation, list[str]]
    ) -> None:
        answer = run_artefact(adaptation[0].artefact, POINTS)
        assert set(answer.reasons.ravel()) <= set(REASONS)
        assert np.all(np.diff(np.abs(answer.contributions), axis=1) <= 0)
        strongest = answer.contributions[:, 0]
        assert strongest[FAILED].mean() > 1 > strongest[~FAILED].mean()

    def test_less_cooling_never_lowers_the_probability(
        self, adaptation: tuple[Adaptation, list[str]]
    ) -> None:
        warmer = operating_points(1, 400)
        warmer.process_temperature[:] -= 0.5
        told = [
            run_artefact(adaptation[0].artefact, points).probability for points in (POINTS, warmer)
        ]
        assert np.all(told[1] - told[0] > -1e-6)
        assert np.any(told[1] - told[0] > 0.1)

    def test_the_same_file_gives_the_same_variant(
        self, adaptation: tuple[Adaptation, list[str]]
    ) -> None:
        assert adapt(training_file(*LINES), lambda _: None).artefact == adaptation[0].artefact

    def test_lines_said_again_change_nothing(
        self, adaptation: tuple[Adaptation, list[str]]
    ) -> None:
        """Else a point would be learned from and scored on."""
        said: list[str] = []
        made = adapt(training_file(*LINES, *LINES[:90]), said.append)
        assert made.artefact == adaptation[0].artefact
        assert made.score == adaptation[0].score
        assert said[0].endswith(" 90 lines say one again.")

    @nightly
    def test_of_a_file_as_large_as_there_may_be(self) -> None:
        points = operating_points(5, MAX_LINES)
        content = file(points, WEAKER.failures(points))
        began = time.process_time()
        made = adapt(content, lambda _: None)
        assert time.process_time() - began < 60
        assert made.score.adapted < 0.03
        assert len(made.artefact) < 250 * KB


class TestLabels:
    """What is poisoned must not become a variant."""

    @pytest.mark.parametrize("count", [100, 400])
    def test_swapped(self, count: int) -> None:
        points = POINTS.take(np.arange(count))
        with pytest.raises(TrainingFileInvalid, match="labels look swapped"):
            adapt(file(points, ~FAILED[:count]), lambda _: None)

    @pytest.mark.parametrize("share", [0.05, 0.5])
    @pytest.mark.parametrize("seed", range(5))
    def test_at_random(self, seed: int, share: float) -> None:
        dealt = np.random.default_rng(seed).random(len(FAILED)) < share
        assert refused(file(POINTS, dealt))

    def test_a_file_that_is_as_small_but_right_is_not_refused(self) -> None:
        points = operating_points(4, 60)
        assert not refused(file(points, WEAKER.failures(points)))

    def test_of_the_base_itself_leave_nothing_to_learn(self) -> None:
        """The variant may only confirm what the base says already."""
        points = operating_points(3, 1500)
        failed = run_artefact(ARTEFACT.read_bytes(), points).failure == 1
        score = adapt(file(points, failed), lambda _: None).score
        assert score.base == pytest.approx(score.adapted, abs=0.005)


class TestReading:
    def test_flags_and_numbers(self) -> None:
        told = [line | {"failure": bool(line["failure"])} for line in LINES]
        both = [read_training_file(training_file(*each), BASE.signature) for each in (LINES, told)]
        assert np.array_equal(both[0].failed, both[1].failed)
        assert both[0].failed.sum() == FAILED.sum()

    def test_other_units(self) -> None:
        """In some lines only."""
        celsius = LINES[6]["air_temperature"] - 273.15
        turns = LINES[6]["rotational_speed"] / 60
        mixed = changed(
            7,
            air_temperature=celsius,
            rotational_speed=turns,
            units={"air_temperature": "°C", "rotational_speed": "rev/s"},
        )
        plain, other = (read_training_file(each, BASE.signature) for each in (changed(7), mixed))
        for name in ("air_temperature", "rotational_speed", "torque"):
            values = [np.sort(each.points.quantity(name)) for each in (plain, other)]
            assert values[1] == pytest.approx(values[0], rel=1e-5)

    @pytest.mark.parametrize(
        ("changes", "said"),
        [
            ({"torque": ...}, "Line 7: .*missing required field `torque`"),
            ({"failure": ...}, "Line 7: .*missing required field `failure`"),
            ({"TWF": 1}, "Line 7: .*unknown field `TWF`"),
            ({"torque": "40"}, r"Line 7: Expected `float`, got `str` - at `\$.torque`"),
            ({"torque": None}, r"Line 7: Expected `float`, got `null` - at `\$.torque`"),
            ({"torque": float("nan")}, "Line 7: 'torque' contains NaN"),
            ({"torque": float("inf")}, "Line 7: 'torque' contains Infinity"),
            ({"torque": 1e39}, r"Line 7: 'torque' \(inf\) is not a finite number"),
            ({"torque": 4000}, r"Line 7: 'torque' \(4000\) is above 500 N·m"),
            ({"air_temperature": 26.9}, r"Line 7: 'air_temp.* \(26.9\) is below 250 K"),
            ({"type": "X"}, "Line 7: 'type' .* is not one of L, M, H"),
            ({"failure": 2}, r"Line 7: .* at `\$.failure`"),
            ({"failure": "yes"}, r"Line 7: .* at `\$.failure`"),
            ({"units": {"torque": "K"}}, "Line 7: 'torque' is given in 'K', .*expects N·m"),
            ({"units": {"torque": "furlong"}}, "Line 7: 'torque' .*unknown; the model expects N·m"),
            ({"units": {"torqe": "N·m"}}, "Line 7: `units` names 'torqe'"),
            ({"units": {"type": "K"}}, "Line 7: `units` names 'type'"),
        ],
    )
    def test_what_is_wrong_is_named(self, changes: dict[str, Any], said: str) -> None:
        fails(changed(7, **changes), said)

    def test_of_several_wrong_lines_the_first_is_named(self) -> None:
        wrong = [dict(line) for line in LINES]
        for at in (123, 124, 399):
            wrong[at]["torque"] = 900.0
        fails(training_file(*wrong), "Line 124: ")

    @pytest.mark.parametrize("content", [b"", b"\n\n", b"\xff\xfe", b"[]", b"{}", b"1"])
    def test_what_is_no_file(self, content: bytes) -> None:
        fails(content, "Line 1: |has no lines")

    def test_the_same_point_with_both_labels(self) -> None:
        opposite = LINES[11] | {"failure": 1 - LINES[11]["failure"]}
        fails(training_file(*LINES, opposite), "Line 401 repeats the operating point of line 12")

    @pytest.mark.parametrize("kind", [0, 1])
    def test_one_class_only(self, kind: int) -> None:
        lines = [line for line in LINES if line["failure"] == kind]
        fails(training_file(*lines), f"There are 0 .* with `failure` {1 - kind}")

    def test_the_same_failure_again_and_again(self) -> None:
        healthy = [line for line in LINES if not line["failure"]]
        failure = next(line for line in LINES if line["failure"])
        fails(training_file(*healthy, *[failure] * 40), "There are 1 different .* 1")

    def test_too_few(self) -> None:
        few = [*np.flatnonzero(FAILED)[:5], *np.flatnonzero(~FAILED)[: MIN_ROWS - 6]]
        fails(training_file(*(LINES[at] for at in few)), f"at least {MIN_ROWS} are needed")

    def test_too_many_lines(self) -> None:
        line = json.dumps(LINES[0]).encode() + b"\n"
        fails(line * (MAX_LINES + 1), f"at most {MAX_LINES}")


class TestPooling:
    def test_what_says_nothing_carries_no_weight(self) -> None:
        random = np.random.default_rng(0)
        base = random.normal(-2, 3, 2000)
        failed = random.random(2000) < expit(base)
        noise = random.normal(0, 3, 2000)
        trusting = fit_weights(base, noise, failed)
        assert (trusting.base, trusting.trees) == pytest.approx((1.0, 0.0), abs=0.12)
        taken_over = fit_weights(noise, base, failed)
        assert (taken_over.base, taken_over.trees) == pytest.approx((0.0, 1.0), abs=0.12)

    def test_few_rows_leave_the_base_as_it_is(self) -> None:
        """Two rows that part at nothing would ask for a weight without bound."""
        weights = fit_weights(np.array([-0.1, 0.1]), np.zeros(2), np.array([False, True]))
        assert weights.base == pytest.approx(1.0, abs=0.2)
        assert weights.shift == pytest.approx(0.0, abs=0.1)

    def test_the_base_is_read_out_of_its_graph(self) -> None:
        told = run_artefact(ARTEFACT.read_bytes(), POINTS)
        assert expit(BASE.log_odds(POINTS)) == pytest.approx(told.probability, abs=1e-6)
        assert np.array_equal(BASE.predict_failure(BASE.log_odds(POINTS)), told.failure == 1)


class TestFigures:
    @pytest.mark.parametrize("machine", ["tighter_limits", "other_limits", "heat_failures"])
    def test_more_rows_do_better_and_better_than_the_base(
        self, recorded: dict[str, Any], machine: str
    ) -> None:
        by_rows = list(recorded[machine].values())
        losses = [one["adapted"]["log_loss"] for one in by_rows]
        assert losses == sorted(losses, reverse=True)
        assert all(one["adapted"]["log_loss"] < one["base"]["log_loss"] for one in by_rows)
        assert all(one["adapted"]["f1"] > one["base"]["f1"] for one in by_rows)

    @nightly
    def test_are_met_again(self, recorded: dict[str, Any]) -> None:
        """On the machine whose labels are the set's own, from 200 rows."""
        try:
            machine = heat_failure_machine(load(default_directory()))
        except TrainingDataMissing as error:
            pytest.skip(f"needs the training data: {error}")
        seeds = [DRAWS * seed + draw for seed in ADAPTATION_SEEDS for draw in range(DRAWS)]
        each = [run_trial(machine, 200, seed) for seed in seeds]
        cell = recorded[HEAT_MACHINE]["200_rows"]
        for name in ("base", "adapted"):
            mean = np.mean([getattr(one, name)["log_loss"] for one in each])
            assert mean == pytest.approx(cell[name]["log_loss"], abs=0.001)

    def test_poisoned_labels_are_refused(self, recorded: dict[str, Any]) -> None:
        cells = [one for machine in recorded.values() for one in machine.values()]
        files = sum(one["files"] for one in cells)
        assert sum(one["refused_with_random_labels"] for one in cells) >= 0.97 * files
        assert sum(one["refused_with_swapped_labels"] for one in cells) >= 0.9 * files
