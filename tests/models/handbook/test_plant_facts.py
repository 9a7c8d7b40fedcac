"""The classifier of questions that no handbook answers."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest

from models.extras import is_package
from models.handbook.evaluation.questions import technician_questions
from models.handbook.plant_facts import (
    PlantFactClassifier,
    load_classifier,
    question_features,
    save_classifier,
)
from models.handbook.train_plant_facts import read_questions
from models.multilingual import DIMENSIONS, PACKAGE, load_encoder
from tests.support.nightly import nightly

encoder = cache(load_encoder)
VECTOR = [1.0] + [0.0] * (DIMENSIONS - 1)


@pytest.mark.parametrize(
    ("question", "features"),
    [
        ("Why does a pump vibrate?", [0, 0, 0]),
        ("Who repaired pump 7 yesterday?", [1, 1, 1]),
        ("仓库里还剩几个轴承？", [0, 1, 1]),
        ("3号线为什么停机？", [1, 0, 0]),
    ],
    ids=["general", "who, which machine, when", "stock", "machine by number"],
)
def test_words_on_own_machines_times_and_people_are_features(
    question: str, features: list[int]
) -> None:
    assert question_features(question, VECTOR)[-3:].tolist() == features


def test_embedding_is_scaled_to_one_length_whatever_its_own() -> None:
    doubled = [2.0 * value for value in VECTOR]
    assert np.array_equal(question_features("?", VECTOR), question_features("?", doubled))


def test_vector_of_another_model_decides_nothing() -> None:
    classifier = PlantFactClassifier(np.ones(DIMENSIONS + 3, dtype=np.float32), 1.0, "e5")
    assert classifier.is_plant_fact("Who?", VECTOR)
    assert not classifier.is_plant_fact("Who?", VECTOR[:10])


def test_stored_classifier_is_loaded_as_it_was(tmp_path: Path) -> None:
    stored = PlantFactClassifier(np.arange(5, dtype=np.float32), -0.5, "e5")
    save_classifier(stored, tmp_path / "c.npz")
    loaded = load_classifier(tmp_path / "c.npz")
    assert loaded.weights.tolist() == stored.weights.tolist()
    assert (loaded.bias, loaded.embedding_model) == (-0.5, "e5")


def test_no_technicians_question_is_learned_from() -> None:
    asked = {question.question for question in technician_questions()}
    assert asked.isdisjoint(question.text for question in read_questions())


@nightly
@pytest.mark.skipif(not is_package(PACKAGE), reason="needs the multilingual encoder")
def test_technicians_questions_on_the_plant_are_told_from_others() -> None:
    questions, classifier = technician_questions(), load_classifier()
    vectors = encoder().vectors([question.question for question in questions])
    decided = [
        classifier.is_plant_fact(question.question, vector.tolist())
        for question, vector in zip(questions, vectors, strict=True)
    ]
    plant = [told for told, question in zip(decided, questions, strict=True) if question.plant]
    others = [told for told, question in zip(decided, questions, strict=True) if not question.plant]
    assert sum(plant) >= 0.9 * len(plant)
    assert sum(others) <= 0.05 * len(others)
