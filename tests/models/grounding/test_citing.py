"""Which of the supporting passages is cited."""

import pytest

from models.grounding.check import AnswerChecker
from models.grounding.citing import Sought, choose_citations, split_statements
from models.grounding.sentences import split_sentences

ORDERS = (
    "Orders up to 750 euros need no approval. Between 750 and 3200 euros Philippa Voss has to "
    "approve the order."
)
CHAIRS = "The meeting of the storekeepers is on Mondays. Philippa Voss invites to it."


@pytest.mark.parametrize("cited", ["", " [1]", " [2]"])
def test_short_answer_cites_the_passage_with_the_words_of_the_question(cited: str) -> None:
    checker = AnswerChecker("Who has to approve an order of 2000 euros?", (CHAIRS, ORDERS))
    (sentence,) = split_sentences(f"Philippa Voss{cited}")
    assert checker.check_sentence(sentence).citations == (2,)


def test_citation_of_the_model_is_kept_if_no_other_passage_is_clearly_nearer() -> None:
    checker = AnswerChecker("Who invites?", (CHAIRS, CHAIRS + " Minutes are kept."))
    (sentence,) = split_sentences("Philippa Voss invites to the meeting [2].")
    assert checker.check_sentence(sentence).citations == (2,)


def test_unsupported_sentence_has_no_citation() -> None:
    checker = AnswerChecker("Who invites?", (CHAIRS,))
    (sentence,) = split_sentences("Philippa Voss invites at 14:30 [1].")
    assert checker.check_sentence(sentence).citations == ()


def test_nearness_counts_one_statement_and_not_the_whole_passage() -> None:
    apart = split_statements("The filter is cleaned. Belts are changed after 500 h.")
    together = split_statements("The filter is changed after 500 h.")
    sought = Sought.of("When must the filter be changed?") | Sought.of("500 h")
    assert sought.nearness(together) > sought.nearness(apart)


@pytest.mark.parametrize(
    ("cited", "near", "chosen"),
    [
        ((), {1: 3, 2: 5}, (2,)),
        ((1,), {1: 3, 2: 4}, (1,)),
        ((1,), {1: 3, 2: 5}, (2,)),
        ((1, 2), {1: 3, 2: 5}, (1, 2)),
        ((3,), {1: 3, 2: 3}, (1,)),
    ],
)
def test_cited_passages_are_replaced_by_a_clearly_nearer_one(
    cited: tuple[int, ...], near: dict[int, int], chosen: tuple[int, ...]
) -> None:
    assert choose_citations(cited, tuple(near), near) == chosen


def test_no_supporting_passage_gives_no_citation() -> None:
    assert choose_citations((1,), (), {}) == ()
