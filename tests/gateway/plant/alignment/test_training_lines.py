"""Training files of confirmed points: selection, vocabularies, what the version in use knows."""

import json

from gateway.plant.alignment.training_lines import (
    count_new,
    is_enough,
    read_lines,
    render_lines,
    select_lines,
)
from models.tag_align.aligner import ARTEFACT
from models.tag_align.training_file import read_confirmed_tags
from models.tag_align.vocabulary import read

VOCABULARY = read(ARTEFACT)
BRICK = "https://brickschema.org/schema/Brick#"
AIR, FLOW = f"{BRICK}Supply_Air_Temperature_Sensor", f"{BRICK}Supply_Air_Flow_Sensor"
LETTERS = "abcdefghij"
LINES = {f"{one}zz_{at % 3}": (AIR, FLOW)[at % 2] for at, one in enumerate(LETTERS)}


def test_file_is_read_by_the_training() -> None:
    content = render_lines(LINES, {"azz_0": FLOW}, VOCABULARY)
    assert read_lines(content) == LINES
    read_back = read_confirmed_tags(content, VOCABULARY)
    assert {one.tag: one.concept for one in read_back.confirmations} == LINES
    assert [(one.tag, one.concept) for one in read_back.earlier] == [("azz_0", FLOW)]
    assert not read_back.concepts


def test_own_concepts_are_listed_beside_those_of_brick() -> None:
    lines = {**LINES, "kzz": "line pressure 2"}
    read_back = read_confirmed_tags(render_lines(lines, {}, VOCABULARY), VOCABULARY)
    ids = {one.id for one in read_back.concepts}
    assert {"line pressure 2", AIR, FLOW} <= ids
    assert len(ids) > 1_000
    assert len(read_back.confirmations) == len(lines)


def test_concept_that_no_training_accepts_is_left_out() -> None:
    lines = {**LINES, "kzz": "x" * 300, "lzz": "own"}
    content = render_lines(lines, {}, VOCABULARY)
    assert "kzz" not in read_lines(content)
    assert len(read_confirmed_tags(content, VOCABULARY).confirmations) == len(LINES) + 1


def test_newest_confirmation_of_a_tag_counts_and_unreadable_tags_do_not() -> None:
    found = select_lines([("TI-1", AIR), ("TI-1", FLOW), ("x" * 600, AIR), ("", AIR)])
    assert found == {"TI-1": AIR}


def test_rare_patterns_stay_among_too_many_tags() -> None:
    many = [(f"temperature {number}", AIR) for number in range(5_000)]
    found = select_lines([*many, ("damper", FLOW)])
    assert len(found) == 3_000
    assert found["damper"] == FLOW


def test_corrections_count_as_new() -> None:
    assert count_new(LINES, {}) == len(LINES)
    assert count_new(LINES, LINES) == 0
    assert count_new({**LINES, "azz_0": FLOW, "new": AIR}, LINES) == 2


def test_too_few_tags_concepts_or_patterns_are_not_enough() -> None:
    assert is_enough(LINES)
    assert not is_enough(dict(list(LINES.items())[:9]))
    assert not is_enough(dict.fromkeys(LINES, AIR))
    assert not is_enough({f"temp {at}": (AIR, FLOW)[at % 2] for at in range(50)})


def test_lines_are_json() -> None:
    for line in render_lines(LINES, LINES, VOCABULARY).splitlines():
        assert set(json.loads(line)) == {"tag", "concept", "earlier"}
