"""Fine-tuning of the failure class: results and validation of the training file."""

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
from models.onnx_graph import METADATA_KEY
from models.onnx_session import open_session
from models.signature import Signature
from models.training_data import TrainingDataMissing, default_directory
from serving.specialists.specialist import OnnxSpecialist, load_onnx_specialist
from tests.support.models.made_up_mill import (
    WEAKER,
    labelled_lines,
    operating_points,
    training_file,
)
from tests.support.nightly import at_length, nightly

BASE = BaseClassifier.from_artefact(ARTEFACT.read_bytes())
POINTS = operating_points(1, 400)
FAILED = WEAKER.failures(POINTS)
LINES = labelled_lines(POINTS, FAILED)
KB = 1024


def file(points: OperatingPoints, failed: Flags) -> bytes:
    return training_file(*labelled_lines(points, failed))


def changed(at: int, **changes: Any) -> bytes:
    """Return the file with fields of line `at` (from 1) replaced, or removed if `...`."""
    line = {name: value for name, value in (LINES[at - 1] | changes).items() if value is not ...}
    return training_file(*LINES[: at - 1], line, *LINES[at:])


def fails(content: bytes, said: str) -> None:
    with pytest.raises(TrainingFileInvalid, match=said):
        read_training_file(content, BASE.signature)


def loss(artefact: bytes, points: OperatingPoints, failed: Flags) -> float:
    probability = run_artefact(artefact, points).probability.astype(float)
    return log_loss(np.asarray(logit(np.clip(probability, 1e-7, 1 - 1e-7))), failed)


def refused(content: bytes) -> bool:
    """Whether fine-tuning yields no variant: the labels are invalid or the score is worse."""
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


class TestFailureClassFineTuning:
    def test_variant_beats_base_on_own_machine(
        self, adaptation: tuple[Adaptation, list[str]]
    ) -> None:
        made, said = adaptation
        assert made.score.base is not None
        assert made.score.adapted < made.score.base / 2
        assert (made.examples, made.held_out) == (400, 400)
        assert said[0] == f"400 different operating points, {FAILED.sum()} of them failures."
        assert len(said) == 4

    @nightly
    def test_reported_score_matches_loss_on_unseen_rows(self) -> None:
        """On average; the score of a single file of this size may be off by half."""
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

    def test_variant_is_served_with_outputs_of_base(
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

    def test_trained_range_covers_base_and_training_file(self) -> None:
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

    def test_reasons_are_sorted_and_stronger_for_failures(
        self, adaptation: tuple[Adaptation, list[str]]
    ) -> None:
        answer = run_artefact(adaptation[0].artefact, POINTS)
        assert set(answer.reasons.ravel()) <= set(REASONS)
        assert np.all(np.diff(np.abs(answer.contributions), axis=1) <= 0)
        strongest = answer.contributions[:, 0]
        assert strongest[FAILED].mean() > 1 > strongest[~FAILED].mean()

    def test_failure_probability_never_falls_with_less_cooling(
        self, adaptation: tuple[Adaptation, list[str]]
    ) -> None:
        warmer = operating_points(1, 400)
        warmer.process_temperature[:] -= 0.5
        told = [
            run_artefact(adaptation[0].artefact, points).probability for points in (POINTS, warmer)
        ]
        assert np.all(told[1] - told[0] > -1e-6)
        assert np.any(told[1] - told[0] > 0.1)

    def test_fine_tuning_is_deterministic(self, adaptation: tuple[Adaptation, list[str]]) -> None:
        assert adapt(training_file(*LINES), lambda _: None).artefact == adaptation[0].artefact

    def test_duplicate_lines_do_not_change_the_variant(
        self, adaptation: tuple[Adaptation, list[str]]
    ) -> None:
        """Otherwise a row could be used for both training and scoring."""
        said: list[str] = []
        made = adapt(training_file(*LINES, *LINES[:90]), said.append)
        assert made.artefact == adaptation[0].artefact
        assert made.score == adaptation[0].score
        assert said[0].endswith(" 90 lines are duplicates.")

    @nightly
    def test_file_of_maximum_size_is_fitted_within_a_minute(self) -> None:
        points = operating_points(5, MAX_LINES)
        content = file(points, WEAKER.failures(points))
        began = time.process_time()
        made = adapt(content, lambda _: None)
        assert time.process_time() - began < 60
        assert made.score.adapted < 0.03
        assert len(made.artefact) < 250 * KB


class TestPoisonedLabels:
    """A training file with wrong labels must not yield a variant."""

    @pytest.mark.parametrize("count", [100, 400])
    def test_swapped_labels_are_rejected(self, count: int) -> None:
        points = POINTS.take(np.arange(count))
        with pytest.raises(TrainingFileInvalid, match="labels look swapped"):
            adapt(file(points, ~FAILED[:count]), lambda _: None)

    @pytest.mark.parametrize("share", [0.05, 0.5])
    @pytest.mark.parametrize("seed", range(at_length(5, 2)))
    def test_random_labels_are_rejected(self, seed: int, share: float) -> None:
        dealt = np.random.default_rng(seed).random(len(FAILED)) < share
        assert refused(file(POINTS, dealt))

    def test_small_file_with_correct_labels_is_accepted(self) -> None:
        points = operating_points(4, 60)
        assert not refused(file(points, WEAKER.failures(points)))

    def test_labels_of_base_model_give_equal_scores(self) -> None:
        """The variant can only confirm the base model's predictions."""
        points = operating_points(3, 1500)
        failed = run_artefact(ARTEFACT.read_bytes(), points).failure == 1
        score = adapt(file(points, failed), lambda _: None).score
        assert score.base == pytest.approx(score.adapted, abs=0.005)


class TestTrainingFileParsing:
    def test_boolean_and_numeric_labels_are_equal(self) -> None:
        told = [line | {"failure": bool(line["failure"])} for line in LINES]
        both = [read_training_file(training_file(*each), BASE.signature) for each in (LINES, told)]
        assert np.array_equal(both[0].failed, both[1].failed)
        assert both[0].failed.sum() == FAILED.sum()

    def test_units_are_converted_per_line(self) -> None:
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
    def test_invalid_field_is_rejected_with_line_and_name(
        self, changes: dict[str, Any], said: str
    ) -> None:
        fails(changed(7, **changes), said)

    def test_first_of_several_invalid_lines_is_named(self) -> None:
        wrong = [dict(line) for line in LINES]
        for at in (123, 124, 399):
            wrong[at]["torque"] = 900.0
        fails(training_file(*wrong), "Line 124: ")

    @pytest.mark.parametrize("content", [b"", b"\n\n", b"\xff\xfe", b"[]", b"{}", b"1"])
    def test_malformed_file_is_rejected(self, content: bytes) -> None:
        fails(content, "Line 1: |has no lines")

    def test_operating_point_with_conflicting_labels_is_rejected(self) -> None:
        opposite = LINES[11] | {"failure": 1 - LINES[11]["failure"]}
        fails(training_file(*LINES, opposite), "Line 401 repeats the operating point of line 12")

    @pytest.mark.parametrize("kind", [0, 1])
    def test_file_with_single_class_is_rejected(self, kind: int) -> None:
        lines = [line for line in LINES if line["failure"] == kind]
        fails(training_file(*lines), f"There are 0 .* with `failure` {1 - kind}")

    def test_repeated_failure_counts_once(self) -> None:
        healthy = [line for line in LINES if not line["failure"]]
        failure = next(line for line in LINES if line["failure"])
        fails(training_file(*healthy, *[failure] * 40), "There are 1 different .* 1")

    def test_too_few_rows_are_rejected(self) -> None:
        few = [*np.flatnonzero(FAILED)[:5], *np.flatnonzero(~FAILED)[: MIN_ROWS - 6]]
        fails(training_file(*(LINES[at] for at in few)), f"at least {MIN_ROWS} are needed")

    def test_too_many_lines_are_rejected(self) -> None:
        line = json.dumps(LINES[0]).encode() + b"\n"
        fails(line * (MAX_LINES + 1), f"at most {MAX_LINES}")


class TestBaseAndTreePooling:
    def test_uninformative_model_gets_no_weight(self) -> None:
        random = np.random.default_rng(0)
        base = random.normal(-2, 3, 2000)
        failed = random.random(2000) < expit(base)
        noise = random.normal(0, 3, 2000)
        trusting = fit_weights(base, noise, failed)
        assert (trusting.base, trusting.trees) == pytest.approx((1.0, 0.0), abs=0.12)
        taken_over = fit_weights(noise, base, failed)
        assert (taken_over.base, taken_over.trees) == pytest.approx((0.0, 1.0), abs=0.12)

    def test_few_rows_keep_base_weight_near_1(self) -> None:
        """Two rows that are separated at 0 would give an unbounded weight."""
        weights = fit_weights(np.array([-0.1, 0.1]), np.zeros(2), np.array([False, True]))
        assert weights.base == pytest.approx(1.0, abs=0.2)
        assert weights.shift == pytest.approx(0.0, abs=0.1)

    def test_base_log_odds_equal_graph_probabilities(self) -> None:
        told = run_artefact(ARTEFACT.read_bytes(), POINTS)
        assert expit(BASE.log_odds(POINTS)) == pytest.approx(told.probability, abs=1e-6)
        assert np.array_equal(BASE.predict_failure(BASE.log_odds(POINTS)), told.failure == 1)


class TestRecordedMetrics:
    @pytest.mark.parametrize("machine", ["tighter_limits", "other_limits", "heat_failures"])
    def test_loss_falls_with_more_rows_and_beats_base(
        self, recorded: dict[str, Any], machine: str
    ) -> None:
        by_rows = list(recorded[machine].values())
        losses = [one["adapted"]["log_loss"] for one in by_rows]
        assert losses == sorted(losses, reverse=True)
        assert all(one["adapted"]["log_loss"] < one["base"]["log_loss"] for one in by_rows)
        assert all(one["adapted"]["f1"] > one["base"]["f1"] for one in by_rows)

    @nightly
    def test_recorded_losses_are_reproduced(self, recorded: dict[str, Any]) -> None:
        """For the machine whose labels come from the data set, with 200 rows."""
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

    def test_most_files_with_poisoned_labels_are_rejected(self, recorded: dict[str, Any]) -> None:
        cells = [one for machine in recorded.values() for one in machine.values()]
        files = sum(one["files"] for one in cells)
        assert sum(one["refused_with_random_labels"] for one in cells) >= 0.97 * files
        assert sum(one["refused_with_swapped_labels"] for one in cells) >= 0.9 * files
