"""Scores of options from the log-probabilities of letters, in both orders and in rounds."""

import math
from collections.abc import Mapping

import pytest

from models.decision_calibration.ballots import (
    MAX_GROUP,
    both_orders,
    split_into_groups,
)
from models.decision_calibration.scoring import (
    NoOptionChosen,
    average_orders,
    best_option,
    join_rounds,
    letter_scores,
)


def tokens(**chances: float) -> list[tuple[str, float]]:
    return [(token, math.log(chance)) for token, chance in chances.items()]


def shares(scores: tuple[float, ...]) -> list[float]:
    return [math.exp(score) for score in scores]


class TestSplitIntoGroups:
    @pytest.mark.parametrize("count", [2, 20, 21, 40, 41, 255])
    def test_groups_cover_all_options_once_within_the_letters(self, count: int) -> None:
        groups = split_into_groups(count)
        assert [index for group in groups for index in group] == list(range(count))
        assert max(len(group) for group in groups) <= MAX_GROUP
        assert max(len(group) for group in groups) - min(len(group) for group in groups) <= 1

    def test_most_choices_need_one_final_round_only(self) -> None:
        assert len(split_into_groups(255)) <= MAX_GROUP

    def test_few_options_are_one_group(self) -> None:
        assert split_into_groups(3) == ((0, 1, 2),)


class TestLetterScores:
    def test_scores_are_normalised_over_the_options(self) -> None:
        assert shares(letter_scores(tokens(A=0.6, B=0.2, x=0.2), 2)) == pytest.approx([0.75, 0.25])

    def test_forms_of_a_letter_count_together(self) -> None:
        found = [("A", math.log(0.3)), (" A", math.log(0.3)), ("B.", math.log(0.2))]
        assert shares(letter_scores(found, 2)) == pytest.approx([0.75, 0.25])

    def test_option_without_a_token_gets_the_lowest_probability(self) -> None:
        found = tokens(A=0.9, x=0.05, y=0.01)
        assert shares(letter_scores(found, 2)) == pytest.approx([0.9 / 0.91, 0.01 / 0.91])

    def test_letters_beyond_the_options_do_not_count(self) -> None:
        assert shares(letter_scores(tokens(C=0.5, A=0.3, B=0.1), 2)) == pytest.approx([0.75, 0.25])

    @pytest.mark.parametrize(
        "found",
        [tokens(I=0.9, Sorry=0.09, A=0.005), tokens(a=0.9), [("", -0.1)]],
        ids=["too little", "lower case", "empty token"],
    )
    def test_answer_without_an_option_is_no_choice(self, found: list[tuple[str, float]]) -> None:
        with pytest.raises(NoOptionChosen):
            letter_scores(found, 2)


class TestAverageOrders:
    def test_preference_for_a_letter_cancels_out(self) -> None:
        """A model that doubles the odds of the first letter prefers neither option."""
        found = average_orders(
            {
                (0, 1): letter_scores(tokens(A=2 / 3, B=1 / 3), 2),
                (1, 0): letter_scores(tokens(A=2 / 3, B=1 / 3), 2),
            }
        )
        assert [math.exp(found[index]) for index in (0, 1)] == pytest.approx([0.5, 0.5])

    def test_options_keep_their_evidence(self) -> None:
        found = average_orders(
            {
                order: letter_scores(tokens(**_letters(order, {0: 0.7, 1: 0.2, 2: 0.1})), 3)
                for order in both_orders((0, 1, 2))
            }
        )
        assert [math.exp(found[index]) for index in (0, 1, 2)] == pytest.approx([0.7, 0.2, 0.1])
        assert best_option(found) == 0


class TestJoinRounds:
    def test_one_group_needs_no_final_round(self) -> None:
        group = {0: math.log(0.3), 1: math.log(0.7)}
        assert shares(join_rounds([group], {})) == pytest.approx([0.3, 0.7])

    def test_others_of_a_group_share_in_the_result_of_its_best(self) -> None:
        first = {0: math.log(0.8), 1: math.log(0.2)}
        second = {2: math.log(0.5), 3: math.log(0.5)}
        found = shares(join_rounds([first, second], {0: math.log(0.9), 2: math.log(0.1)}))
        total = 0.9 + 0.9 / 4 + 0.1 + 0.1
        assert found == pytest.approx([0.9 / total, 0.225 / total, 0.1 / total, 0.1 / total])


def _letters(order: tuple[int, ...], chances: Mapping[int, float]) -> dict[str, float]:
    return {letter: chances[index] for letter, index in zip("ABC", order, strict=True)}
