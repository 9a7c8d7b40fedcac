"""Temperature and bias: their use, their fit, files, and the calibration error."""

import math
import random
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest

from models.catalog import load_catalog
from models.decision_calibration.calibrate import fit_by_kind, write_calibration
from models.decision_calibration.calibration import (
    UNCALIBRATED,
    CalibrationInvalid,
    ModelCalibration,
    TypeCalibration,
    find_calibration,
    load_calibrations,
    probabilities,
    weights_key,
)
from models.decision_calibration.fitting import TooFewQuestions, fit_type, log_loss
from models.decision_calibration.metrics import (
    binned_error,
    corrected_error,
    measure_reliability,
)
from models.decision_calibration.questions import QuestionKind
from models.decision_calibration.report import render_report, render_unknown_tasks
from models.decision_calibration.scored import ScoredQuestion
from models.decision_calibration.scoring import normalise
from tests.support.nightly import nightly

PREDICATE, CHOICE, SCORE = QuestionKind.PREDICATE, QuestionKind.CHOICE, QuestionKind.SCORE


def overconfident(kind: QuestionKind, options: int, bias: float = 0.0) -> list[ScoredQuestion]:
    """Questions whose truth follows softmax(logits), while the scores are three times as sure; the
    first option is true more often by `bias`."""
    generator = random.Random(3)
    questions = []
    for _ in range(800):
        logits = [generator.gauss(0, 1.5) for _ in range(options)]
        shifted = [logits[0] + bias, *logits[1:]]
        chances = [math.exp(value) for value in normalise(shifted)]
        truth = generator.choices(range(options), chances)[0]
        questions.append(ScoredQuestion(kind, normalise([3 * one for one in logits]), truth))
    return questions


class TestProbabilities:
    def test_temperature_one_returns_the_scores(self) -> None:
        scores = normalise([math.log(0.2), math.log(0.8)])
        assert probabilities(scores, UNCALIBRATED) == pytest.approx((0.2, 0.8))

    def test_higher_temperature_moves_towards_equal_shares(self) -> None:
        scores = normalise([0.0, 4.0])
        found = [probabilities(scores, TypeCalibration(t))[1] for t in (0.5, 1, 4, 100)]
        assert found == sorted(found, reverse=True)
        assert found[-1] == pytest.approx(0.51, abs=0.001)

    def test_bias_raises_the_first_option(self) -> None:
        found = probabilities(normalise([0.0, 0.0]), TypeCalibration(1.0, math.log(3)))
        assert found == pytest.approx((0.75, 0.25))

    def test_equal_share_gives_every_option_a_part(self) -> None:
        scores = normalise([math.log(0.2), math.log(0.3), math.log(0.5)])
        found = probabilities(scores, TypeCalibration(1.0, equal_share=0.6))
        assert found == pytest.approx((0.28, 0.32, 0.4))

    def test_probabilities_sum_to_one_without_overflow(self) -> None:
        assert sum(probabilities((-1e4, 0.0, -3.0), TypeCalibration(0.05))) == pytest.approx(1)


class TestFit:
    def test_overconfident_scores_get_their_temperature(self) -> None:
        found = fit_type(overconfident(CHOICE, 4))
        assert found.temperature == pytest.approx(3.0, rel=0.1)
        assert (found.bias, found.questions) == (0.0, 800)

    def test_predicates_get_a_bias(self) -> None:
        found = fit_type(overconfident(PREDICATE, 2, bias=1.0))
        assert found.temperature == pytest.approx(3.0, rel=0.15)
        assert found.bias == pytest.approx(1.0, abs=0.25)

    def test_fit_lowers_log_loss_and_calibration_error_of_held_out_questions(self) -> None:
        questions = overconfident(CHOICE, 3)
        fitted = fit_type(questions[:400])
        held_out = questions[400:]
        assert log_loss(held_out, fitted) < log_loss(held_out, UNCALIBRATED)
        before = measure_reliability(held_out, UNCALIBRATED)
        after = measure_reliability(held_out, fitted)
        assert before.calibration_error > 0.1
        assert after.calibration_error < after.chance_error + 0.02
        assert after.accuracy == before.accuracy

    def test_scores_that_separate_all_questions_have_a_finite_temperature(self) -> None:
        questions = [ScoredQuestion(CHOICE, normalise([0.0, 1.0]), 1)] * 30
        assert fit_type(questions).temperature >= 0.05

    def test_few_questions_are_not_fitted(self) -> None:
        with pytest.raises(TooFewQuestions):
            fit_type(overconfident(CHOICE, 2)[:5])

    def test_each_type_is_fitted_by_itself(self) -> None:
        found = fit_by_kind({"a": overconfident(CHOICE, 3), "b": overconfident(PREDICATE, 2)})
        assert found.keys() == {CHOICE, PREDICATE}


class TestPrior:
    """What the model answers without an input is taken off its scores, as far as that helps."""

    def prejudiced(self) -> list[ScoredQuestion]:
        """Questions of two kinds: of each, the model prefers another option whatever the input."""
        generator = random.Random(5)
        questions = []
        for number in range(800):
            prejudice = 3.0 if number % 2 else -3.0
            evidence = generator.gauss(0, 2.0)
            truth = 0 if generator.random() < 1 / (1 + math.exp(-evidence)) else 1
            scores = normalise([evidence + prejudice, 0.0])
            questions.append(ScoredQuestion(PREDICATE, scores, truth, normalise([prejudice, 0.0])))
        return questions

    def test_prior_makes_questions_of_different_tasks_comparable(self) -> None:
        questions = self.prejudiced()
        fitted = fit_type(questions[:400])
        assert fitted.prior_weight == pytest.approx(1.0, abs=0.1)
        without = fit_type([replace(one, prior=None) for one in questions[:400]])
        held_out = questions[400:]
        assert log_loss(held_out, fitted) < log_loss(held_out, without) - 0.05
        found = measure_reliability(held_out, fitted)
        assert found.calibration_error < found.chance_error + 0.02

    @nightly
    def test_prior_that_does_not_help_is_not_asked_for(self) -> None:
        generator = random.Random(7)
        questions = [
            replace(one, prior=normalise([generator.gauss(0, 3), 0.0]))
            for one in overconfident(PREDICATE, 2)
        ]
        assert fit_type(questions).prior_weight == 0

    def test_scores_without_a_prior_are_used_as_they_are(self) -> None:
        calibration = TypeCalibration(1.0, prior_weight=1.0)
        scores = normalise([math.log(0.2), math.log(0.8)])
        assert probabilities(scores, calibration) == pytest.approx((0.2, 0.8))
        assert probabilities(scores, calibration, scores) == pytest.approx((0.5, 0.5))


class TestEqualShare:
    """Mistakes that happen however sure the model is."""

    def lapsing(self) -> list[ScoredQuestion]:
        """Questions of which two in five are answered as by guessing, the others exactly."""
        generator = random.Random(11)
        questions = []
        for one in overconfident(CHOICE, 4)[:400]:
            scores = normalise([score / 3 + 1 for score in one.scores])
            guessed = generator.randrange(4) if generator.random() < 0.4 else one.truth
            questions.append(ScoredQuestion(CHOICE, scores, guessed))
        return questions

    def test_share_of_guesses_is_found_where_it_lowers_the_loss(self) -> None:
        sure = [replace(one, scores=tuple(6 * s for s in one.scores)) for one in self.lapsing()]
        fitted = fit_type(sure[:200])
        assert fitted.equal_share > 0.2
        without = msgspec.structs.replace(fitted, equal_share=0.0)
        assert log_loss(sure[200:], fitted) < log_loss(sure[200:], without) - 0.1

    def test_every_task_has_the_same_weight(self) -> None:
        good = ScoredQuestion(CHOICE, normalise([2.0, 0.0]), 0, task="a")
        bad = replace(good, truth=1, task="b")
        alike, more = [good, bad], [good, bad, bad, bad]
        assert log_loss(more, UNCALIBRATED) == pytest.approx(log_loss(alike, UNCALIBRATED))


class TestCalibrationError:
    def test_predicted_shares_that_come_true_have_no_error(self) -> None:
        assert binned_error(np.full(40, 0.5), np.array([1.0, 0.0] * 20)) == pytest.approx(0)

    def test_bins_have_as_many_questions_each(self) -> None:
        chances = np.array([0.1] * 15 + [0.2] * 15)
        truth = np.array([0.0] * 15 + [1.0] * 15)
        # Three bins of ten: all false, half and half, all true.
        assert binned_error(chances, truth) == pytest.approx((0.1 + 0.35 + 0.8) / 3)

    def test_correction_takes_off_what_chance_adds(self) -> None:
        generator = np.random.default_rng(3)
        chances = generator.uniform(0.2, 0.8, 300)
        draws = [(generator.random(300) < chances).astype(float) for _ in range(40)]
        assert np.mean([binned_error(chances, draw) for draw in draws]) > 0.05
        assert np.mean([corrected_error(chances, draw) ** 2 for draw in draws]) < 0.04**2

    def test_correction_leaves_an_error_that_is_there(self) -> None:
        generator = np.random.default_rng(4)
        truth = (generator.random(2000) < 0.4).astype(float)
        assert corrected_error(np.full(2000, 0.7), truth) == pytest.approx(0.3, abs=0.03)

    def test_more_questions_leave_less_to_chance(self) -> None:
        questions = overconfident(CHOICE, 3)
        few, many = (measure_reliability(questions[:n], UNCALIBRATED) for n in (50, 800))
        assert 0 < many.chance_error < few.chance_error / 2

    def test_predicates_are_judged_by_the_probability_of_true(self) -> None:
        question = ScoredQuestion(PREDICATE, normalise([math.log(0.1), math.log(0.9)]), 0)
        assert measure_reliability([question], UNCALIBRATED).calibration_error == pytest.approx(0.9)


class TestFiles:
    def test_written_calibration_is_loaded_by_its_weights(self, tmp_path: Path) -> None:
        stored = ModelCalibration(
            "Maker/Model-1 + folder/adapter", {CHOICE: TypeCalibration(2.5, 0, 90)}, {"data": "x"}
        )
        path = write_calibration(stored, tmp_path)
        assert path.name == "maker-model-1-folder-adapter.json"
        assert load_calibrations(tmp_path) == {stored.weights: stored}

    @pytest.mark.parametrize(
        "text",
        [
            "{",
            '{"weights":"a","provenance":{},"by_kind":{"choice":{"temperature":0}}}',
            '{"weights":"a","provenance":{},"by_kind":{"other":{"temperature":1}}}',
            '{"weights":"a","provenance":{},"by_kind":{"choice":{"temperature":1,"equal_share":2}}}',
        ],
    )
    def test_file_that_is_no_calibration_is_rejected(self, tmp_path: Path, text: str) -> None:
        (tmp_path / "a.json").write_text(text)
        with pytest.raises(CalibrationInvalid, match=r"a\.json"):
            load_calibrations(tmp_path)

    def test_committed_calibrations_are_valid_and_of_catalog_models(self) -> None:
        known = {
            weights_key(model, catalog.find)
            for catalog in map(load_catalog, ("cpu", "cpu-small", "cpu-tiny", "gpu"))
            for model in catalog.models.values()
        }
        assert load_calibrations().keys() <= known


STORED = {"a": ModelCalibration("a", {CHOICE: TypeCalibration(2.0)}, {})}


class TestFindCalibration:
    def test_score_falls_back_to_choice(self) -> None:
        assert find_calibration(STORED, "a", SCORE) == TypeCalibration(2.0)

    @pytest.mark.parametrize(("weights", "kind"), [("b", CHOICE), (None, CHOICE), ("a", PREDICATE)])
    def test_what_was_not_fitted_has_none(self, weights: str | None, kind: QuestionKind) -> None:
        assert find_calibration(STORED, weights, kind) is None

    def test_adapter_and_base_have_keys_of_their_own(self) -> None:
        catalog = load_catalog("cpu")
        texts = [one for one in catalog.models.values() if one.weights.kind in ("adapter", "base")]
        keys = {one.weights.kind: weights_key(one, catalog.find) for one in texts}
        base = catalog.find(texts[0].engine_id)
        assert base is not None
        assert keys["base"] == weights_key(base, catalog.find) == base.weights.base_name
        assert keys["adapter"].startswith(f"{keys['base']} + ")


def test_report_has_each_task_before_and_after() -> None:
    scored = {"orders": overconfident(CHOICE, 3)}
    fitted = {"w": ModelCalibration("w", fit_by_kind(scored), {})}
    lines = render_report(scored, fitted, "w").splitlines()
    assert [line.split(" | ")[2] for line in lines[2:]] == ["none", "fitted"]
    assert render_report(scored, {}, "w").count("orders") == 1


def test_report_of_unknown_tasks_fits_on_the_others() -> None:
    scored = {name: overconfident(CHOICE, 3)[:200] for name in "ab"}
    lines = render_unknown_tasks(scored).splitlines()[2:]
    assert [line.split(" | ")[2] for line in lines] == ["none", "other tasks"] * 2
    alone = render_unknown_tasks({"a": scored["a"]}).splitlines()[2:]
    assert [line.split(" | ")[2] for line in alone] == ["none"]
