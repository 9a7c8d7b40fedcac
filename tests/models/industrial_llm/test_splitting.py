"""Splits without near-duplicates across train, validation and test."""

import pytest

from models.industrial_llm.examples import DatasetSplit, Example
from models.industrial_llm.splitting import (
    near_duplicate_matrix,
    normalize_text,
    remove_near_duplicates,
    split_by_fold,
    split_by_group,
)


def made_up(*texts: str) -> tuple[Example, ...]:
    return tuple(Example("failure_mode", "made_up", "en", text, "Other") for text in texts)


class TestNearDuplicates:
    @pytest.mark.parametrize(
        ("first", "second"),
        [
            ("Replace hose, unit 12", "replace hose - unit 7"),
            ("replace the hydraulic pump", "replace the hydraulic pumps"),
            ("更换主泵密封件和轴承", "更换主泵密封件和轴承。"),
        ],
    )
    def test_texts_differing_by_number_or_letter_are_near_duplicates(
        self, first: str, second: str
    ) -> None:
        assert near_duplicate_matrix([first], [second]).nnz == 1

    @pytest.mark.parametrize(
        ("first", "second"),
        [
            ("pump leaking", "pump leaks"),
            ("replace hydraulic hose", "replace hydraulic pump"),
            ("右发火警", "左发滑油压力低"),
            ("", "pump"),
        ],
    )
    def test_texts_sharing_only_words_are_not_near_duplicates(
        self, first: str, second: str
    ) -> None:
        assert near_duplicate_matrix([first], [second]).nnz == 0

    def test_matrix_marks_each_near_duplicate_pair(self) -> None:
        found = near_duplicate_matrix(
            ["a long text 1", "another"], ["x", "A LONG TEXT 99", "another!"]
        )
        assert sorted(zip(*found.nonzero(), strict=True)) == [(0, 1), (1, 2)]

    def test_normalisation_removes_numbers_and_punctuation(self) -> None:
        assert normalize_text("C/O Pump_#12") == "c o pump 0"


class TestNearDuplicateRemoval:
    def test_duplicates_stay_in_test_split_only(self) -> None:
        parts = remove_near_duplicates(
            DatasetSplit(
                made_up("pump leaks oil, bay 1", "door jams"),
                made_up("pump leaks oil, bay 2", "lamp dead"),
                made_up("pump leaks oil, bay 3"),
            )
        )
        assert [one.text for one in parts.train] == ["door jams"]
        assert [one.text for one in parts.validation] == ["lamp dead"]
        assert len(parts.test) == 1


class TestGroupSplit:
    def test_groups_stay_together_and_no_group_is_lost(self) -> None:
        words = [f"{first * 7} {second * 7}" for first in "abcdefgh" for second in "qrstuvwx"]
        texts = [f"{word} unit {number}" for word in words for number in range(3)]
        parts = split_by_group(made_up(*texts))
        sides = [
            {normalize_text(one.text) for one in some}
            for some in (parts.train, parts.validation, parts.test)
        ]
        assert sum(map(len, sides)) == len(set.union(*sides)) == len(words)
        assert all(sides)

    def test_split_is_independent_of_order(self) -> None:
        texts = [f"{'abcdefghij'[n % 10] * 7} {'klmnopqrst'[n // 10] * 7}" for n in range(100)]
        assert set(split_by_group(made_up(*texts)).test) == set(
            split_by_group(made_up(*texts[::-1])).test
        )


class TestFoldSplit:
    def test_each_example_is_tested_once(self) -> None:
        examples = made_up(
            *(f"{'abcdefghij'[n % 10] * 7} {'klmnopqrst'[n // 10] * 7}" for n in range(30))
        )
        folds = [split_by_fold(examples, fold, 10) for fold in range(10)]
        judged = [one for fold in folds for one in fold.test]
        assert sorted(judged, key=str) == sorted(examples, key=str)
        assert all(len(fold.test) == 3 for fold in folds)
        assert not any(set(fold.test) & set(fold.train) for fold in folds)
