"""Which examples are used: one answer a question, no account above its share, some held out."""

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


class TestSame:
    def test_the_newest_of_an_account_counts(self) -> None:
        first, second = example(A, "q", "old"), example(A, " q ", "new", minute=1)
        assert used(second, first) == {(" q ", "new")}

    def test_what_two_say_alike_is_one(self) -> None:
        found = select_examples(
            [example(A, "q", "Yes"), example(B, "q", "yes ", minute=1)], (), ANY
        )
        assert [one.account_id for one, _ in found.with_held_out_flag] == [A]

    def test_where_accounts_differ_neither_counts(self) -> None:
        given = [example(A, "q", "yes"), example(B, "q", "no"), example(B, "other")]
        assert used(*given) == {("other", "yes")}

    def test_an_account_that_comes_round_settles_it(self) -> None:
        given = [example(A, "q", "yes"), example(B, "q", "no"), example(B, "q", "yes", minute=1)]
        assert used(*given) == {("q", "yes")}

    def test_a_number_makes_another_question(self) -> None:
        assert len(used(example(A, "line 3", "a"), example(B, "line 4", "b"))) == 2

    def test_what_is_judged_by_is_not_learned(self) -> None:
        given = [example(A, "Pump leaks, tag 17"), example(A, "fan squeaks")]
        assert used(*given, judged_by=["pump leaks tag 4"]) == {("fan squeaks", "yes")}

    def test_the_long_are_left_out(self) -> None:
        assert used(example(A, "长" * MAX_BYTES), example(A, "short")) == {("short", "yes")}


class TestShares:
    def test_no_account_has_more_than_its_part(self) -> None:
        """Of 100, 100 and 10 at most two fifths each: 20 and 20 of 50."""
        given = [*several(A, 0, 100), *several(B, 1000, 100), *several(C, 2000, 10)]
        found = select_examples(given, (), SelectionRules(3, 1))
        counts = [
            sum(one.account_id == who for one, _ in found.with_held_out_flag) for who in (A, B, C)
        ]
        assert counts == [20, 20, 10]
        assert found.excluded["over an account's share"] == 160

    def test_the_newest_are_taken(self) -> None:
        mine = [example(A, f"q {one}", one, minute=at) for at, one in enumerate(faults(0, 9))]
        given = [*mine, *several(B, 1000, 3), *several(C, 2000, 3)]
        found = select_examples(given, (), SelectionRules(3, 1))
        assert {one for one, _ in found.with_held_out_flag if one.account_id == A} == set(mine[-4:])

    def test_one_account_alone_gives_nothing_where_three_are_wanted(self) -> None:
        with pytest.raises(TooFewExamples, match=r"0 of 100 examples from 0 accounts"):
            select_examples(several(A, 0, 100), (), SelectionRules(3, 1))

    def test_two_are_not_three(self) -> None:
        given = [*several(A, 0, 100), *several(B, 1000, 100)]
        with pytest.raises(TooFewExamples):
            select_examples(given, (), SelectionRules(3, 1))
        assert len(used(*given, rules=SelectionRules(2, 1))) == 200

    def test_a_platform_of_one_may_say_so(self) -> None:
        assert len(used(*several(A, 0, 100), rules=SelectionRules(1, 100))) == 100

    def test_too_few(self) -> None:
        with pytest.raises(
            TooFewExamples, match="at least 101 examples from 1 accounts are needed"
        ):
            select_examples(several(A, 0, 100), (), SelectionRules(1, 101))

    def test_none(self) -> None:
        with pytest.raises(TooFewExamples):
            select_examples([], (), ANY)


class TestHeldOut:
    def test_about_one_in_five(self) -> None:
        found = select_examples(several(A, 0, 400), (), ANY)
        assert 50 <= len(found.held_out) <= 110
        assert len(found.held_out) + len(found.training) == 400

    def test_is_told_by_the_question_alone(self) -> None:
        for one in faults(0, 50):
            assert is_held_out(f"what is {one} 17?") == is_held_out(f"What is  {one}, 4")

    def test_what_more_is_given_moves_none(self) -> None:
        few = select_examples(several(A, 0, 50), (), ANY).held_out
        more = select_examples(several(A, 0, 100), (), ANY).held_out
        assert {one.question for one in few} <= {one.question for one in more}
