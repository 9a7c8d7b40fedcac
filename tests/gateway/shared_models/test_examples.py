"""Selection of training examples: deduplication, account shares, held-out examples."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from gateway.shared_models.examples import (
    MAX_BYTES,
    ExampleSource,
    SelectionRules,
    SharedExample,
    TooFewExamples,
    is_held_out,
    select_examples,
)
from infra import ids
from tests.support.gateway.shops import faults

A, B, C, D = (UUID(int=number) for number in range(1, 5))
NOON = datetime(2026, 10, 1, 12, tzinfo=UTC)
ANY = SelectionRules(min_accounts=1, min_examples=1)


def example(account: UUID, question: str, answer: str = "yes", minute: int = 0) -> SharedExample:
    given = NOON + timedelta(minutes=minute)
    messages = (("user", question),)
    return SharedExample(
        ExampleSource.FEEDBACK, ids.new_id(), 0, account, given, given, messages, answer
    )


def used(
    *given: SharedExample, rules: SelectionRules = ANY, judged_by: Any = ()
) -> set[tuple[str, str]]:
    found = select_examples(given, judged_by, rules)
    return {(one.question, one.answer) for one, _ in found.with_held_out_flag}


def several(account: UUID, first: int, count: int) -> list[SharedExample]:
    return [example(account, f"what is {one}", one) for one in faults(first, count)]


class TestExampleDeduplication:
    def test_newest_example_of_an_account_is_used(self) -> None:
        first, second = example(A, "q", "old"), example(A, " q ", "new", minute=1)
        assert used(second, first) == {(" q ", "new")}

    def test_identical_examples_of_two_accounts_are_used_once(self) -> None:
        found = select_examples(
            [example(A, "q", "Yes"), example(B, "q", "yes ", minute=1)], (), ANY
        )
        assert [one.account_id for one, _ in found.with_held_out_flag] == [A]

    def test_contradicting_examples_of_two_accounts_are_excluded(self) -> None:
        given = [example(A, "q", "yes"), example(B, "q", "no"), example(B, "other")]
        assert used(*given) == {("other", "yes")}

    def test_corrected_contradiction_is_used(self) -> None:
        given = [example(A, "q", "yes"), example(B, "q", "no"), example(B, "q", "yes", minute=1)]
        assert used(*given) == {("q", "yes")}

    def test_questions_with_different_numbers_are_both_used(self) -> None:
        assert len(used(example(A, "line 3", "a"), example(B, "line 4", "b"))) == 2

    def test_question_of_an_evaluation_task_is_excluded(self) -> None:
        given = [example(A, "Pump leaks, tag 17"), example(A, "fan squeaks")]
        assert used(*given, judged_by=["pump leaks tag 4"]) == {("fan squeaks", "yes")}

    def test_example_over_size_limit_is_excluded(self) -> None:
        assert used(example(A, "长" * MAX_BYTES), example(A, "short")) == {("short", "yes")}


class TestAccountShares:
    def test_no_account_exceeds_its_share(self) -> None:
        """Of 100, 100 and 10 examples, at most two fifths per account: 20, 20 and 10."""
        given = [*several(A, 0, 100), *several(B, 1000, 100), *several(C, 2000, 10)]
        found = select_examples(given, (), SelectionRules(3, 1))
        counts = [
            sum(one.account_id == who for one, _ in found.with_held_out_flag) for who in (A, B, C)
        ]
        assert counts == [20, 20, 10]
        assert found.excluded["over an account's share"] == 160

    def test_newest_examples_of_an_account_fill_its_share(self) -> None:
        mine = [example(A, f"q {one}", one, minute=at) for at, one in enumerate(faults(0, 9))]
        given = [*mine, *several(B, 1000, 3), *several(C, 2000, 3)]
        found = select_examples(given, (), SelectionRules(3, 1))
        assert {one for one, _ in found.with_held_out_flag if one.account_id == A} == set(mine[-4:])

    def test_one_account_is_too_few_when_three_are_required(self) -> None:
        with pytest.raises(TooFewExamples, match=r"0 of 100 examples from 0 accounts"):
            select_examples(several(A, 0, 100), (), SelectionRules(3, 1))

    def test_two_accounts_are_too_few_when_three_are_required(self) -> None:
        given = [*several(A, 0, 100), *several(B, 1000, 100)]
        with pytest.raises(TooFewExamples):
            select_examples(given, (), SelectionRules(3, 1))
        assert len(used(*given, rules=SelectionRules(2, 1))) == 200

    def test_one_account_is_enough_when_one_is_required(self) -> None:
        assert len(used(*several(A, 0, 100), rules=SelectionRules(1, 100))) == 100

    def test_examples_below_the_minimum_raise_too_few_examples(self) -> None:
        with pytest.raises(
            TooFewExamples, match="at least 101 examples from 1 accounts are needed"
        ):
            select_examples(several(A, 0, 100), (), SelectionRules(1, 101))

    def test_no_examples_raise_too_few_examples(self) -> None:
        with pytest.raises(TooFewExamples):
            select_examples([], (), ANY)


class TestHeldOutExamples:
    def test_about_one_in_five_examples_is_held_out(self) -> None:
        found = select_examples(several(A, 0, 400), (), ANY)
        assert 50 <= len(found.held_out) <= 110
        assert len(found.held_out) + len(found.training) == 400

    def test_choice_depends_only_on_the_normalized_question(self) -> None:
        for one in faults(0, 50):
            assert is_held_out(f"what is {one} 17?") == is_held_out(f"What is  {one}, 4")

    def test_added_examples_keep_earlier_ones_held_out(self) -> None:
        few = select_examples(several(A, 0, 50), (), ANY).held_out
        more = select_examples(several(A, 0, 100), (), ANY).held_out
        assert {one.question for one in few} <= {one.question for one in more}
