"""Training files of versions: the accounts' examples, then replayed task examples."""

import json
from datetime import UTC, datetime
from uuid import UUID

from gateway.shared_models.examples import ExampleSource, SharedExample
from gateway.shared_models.training_file import build_training_text
from infra import ids
from models.industrial_llm.dialogues import parse_training_file
from models.industrial_llm.examples import DatasetSplit
from models.industrial_llm.examples import Example as TaskExample
from models.industrial_llm.tasks.failure_mode import FMC, OWN_SOURCE
from tests.support.gateway.shops import faults, tasks

NOON = datetime(2026, 10, 1, 12, tzinfo=UTC)


def given(count: int) -> list[SharedExample]:
    return [
        SharedExample(
            source=ExampleSource.FEEDBACK,
            source_id=ids.new_id(),
            line=0,
            account_id=UUID(int=1),
            given_at=NOON,
            consented_at=NOON,
            messages=(("system", "Short."), ("user", f"什么是 {fault}?")),
            answer=fault,
        )
        for fault in faults(0, count)
    ]


def orders(source: str, count: int, part: str = "order") -> tuple[TaskExample, ...]:
    return tuple(
        TaskExample("failure_mode", source, "en", f"{part} {fault}", "Leaking")
        for fault in faults(3000, count)
    )


def test_training_file_is_valid_and_contains_no_test_example() -> None:
    text = build_training_text(given(10), tasks(), 1)
    found = parse_training_file(text.content)
    assert len(found.train) + len(found.held_out) == len(text.lines) == 10 + 60
    assert text.replayed_counts == {"failure_mode": 30, "terms": 30}
    content = text.content.decode()
    assert not any(one.text in content for some in tasks().values() for one in some.test)


def test_account_examples_come_first_and_unchanged() -> None:
    (first, second) = given(2)
    text = build_training_text([first, second], {}, 1)
    assert text.examples == {1: first, 2: second}
    assert json.loads(text.lines[0]) == {
        "messages": [
            {"role": "system", "content": "Short."},
            {"role": "user", "content": "什么是 aaaa?"},
            {"role": "assistant", "content": "aaaa"},
        ]
    }


def test_removed_line_is_not_in_the_training_file() -> None:
    first, second, third = given(3)
    text = build_training_text([first, second, third], tasks(), 1).without_line(2)
    assert text.examples == {1: first, 2: third}
    assert len(text.lines) == 2 + 60
    assert third.question in text.lines[1].decode()


def test_two_examples_are_replayed_per_example_but_at_least_800() -> None:
    corpus = {"failure_mode": DatasetSplit(train=orders(OWN_SOURCE, 1_200))}
    assert build_training_text(given(10), corpus, 1).replayed_counts == {"failure_mode": 800}
    assert build_training_text(given(500), corpus, 1).replayed_counts == {"failure_mode": 1_000}


def test_other_tasks_fill_the_replay_quota_of_a_small_task() -> None:
    corpus = {
        "failure_mode": DatasetSplit(train=orders(OWN_SOURCE, 900)),
        "terms": tasks()["terms"],
    }
    assert build_training_text(given(10), corpus, 1).replayed_counts == {
        "failure_mode": 770,
        "terms": 30,
    }


def test_replayed_examples_depend_on_the_version_number() -> None:
    corpus = {"failure_mode": DatasetSplit(train=orders(OWN_SOURCE, 900))}
    first, again, second = (build_training_text([], corpus, number).lines for number in (1, 1, 2))
    assert first == again
    assert first != second


def test_dataset_without_a_licence_is_not_replayed() -> None:
    corpus = {"failure_mode": DatasetSplit(train=orders(FMC, 50) + orders(OWN_SOURCE, 20, "own"))}
    text = build_training_text([], corpus, 1)
    assert text.replayed_counts == {"failure_mode": 20}


def test_long_examples_that_a_training_would_refuse_are_not_replayed() -> None:
    long = TaskExample("failure_mode", OWN_SOURCE, "en", "x" * 999, "Leaking")
    corpus = {"failure_mode": DatasetSplit(train=(*orders(OWN_SOURCE, 5), long))}
    assert build_training_text([], corpus, 1).replayed_counts == {"failure_mode": 5}
