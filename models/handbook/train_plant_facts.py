"""`python -m models.handbook.train_plant_facts`: train the classifier of questions on plant facts.

Learns from own questions (plant_questions.tsv, industrial_llm/tasks/unknown.tsv) and from those to
the handbook. Prints how often it is right on questions that were left out, and on the technicians'
questions, which it does not learn from. Takes half a minute.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict

from models.handbook.evaluation.questions import technician_questions
from models.handbook.index import Vectors, load_index
from models.handbook.plant_facts import (
    WEIGHTS_FILE,
    PlantFactClassifier,
    question_features,
    save_classifier,
)
from models.industrial_llm.tasks.files import read_pairs
from models.industrial_llm.tasks.grounded import read_handbook_questions
from models.industrial_llm.tasks.unknown import OWN_EXAMPLES_FILE, is_unknown_answer
from models.multilingual import PackagedEncoder, load_encoder

QUESTIONS_FILE = Path(__file__).with_name("plant_questions.tsv")
_PLANT = "plant"
_FOLDS = StratifiedKFold(5, shuffle=True, random_state=0)


@dataclass(frozen=True, slots=True)
class LabelledQuestion:
    """A question, and whether it asks for facts of the plant."""

    text: str
    is_plant_fact: bool


def main() -> None:
    """Train, evaluate and store the classifier."""
    encoder, index = load_encoder(threads=1), load_index()
    questions = read_questions()
    features = _features(encoder, questions)
    labels = np.array([question.is_plant_fact for question in questions])
    regression = LogisticRegression(C=3.0, class_weight="balanced", max_iter=3_000)
    _print("left out", labels, cross_val_predict(regression, features, labels, cv=_FOLDS))
    regression.fit(features, labels)
    asked = [LabelledQuestion(one.question, one.plant) for one in technician_questions()]
    _print(
        "technicians' questions",
        np.array([question.is_plant_fact for question in asked]),
        regression.predict(_features(encoder, asked)),
    )
    weights = regression.coef_[0].astype(np.float32)
    bias = float(regression.intercept_[0])
    save_classifier(PlantFactClassifier(weights, bias, index.embedding_model))
    sys.stdout.write(f"Stored in {WEIGHTS_FILE.name}\n")


def read_questions() -> list[LabelledQuestion]:
    """Return the questions to learn from, without those that the classifier is tested with."""
    own = [
        LabelledQuestion(text, kind == _PLANT)
        for kind, text in (
            line.split("\t") for line in QUESTIONS_FILE.read_text(encoding="utf-8").splitlines()
        )
    ]
    unknown = [
        LabelledQuestion(question, is_unknown_answer(answer))
        for question, answer in read_pairs(OWN_EXAMPLES_FILE)
    ]
    handbook = [LabelledQuestion(one.question, False) for one in read_handbook_questions()]
    tested = {question.question for question in technician_questions()}
    return [one for one in (*own, *unknown, *handbook) if one.text not in tested]


def _features(encoder: PackagedEncoder, questions: list[LabelledQuestion]) -> Vectors:
    """Return the features of questions, [questions, dimensions + 3]."""
    vectors = encoder.vectors([question.text for question in questions])
    pairs = zip(questions, vectors, strict=True)
    return np.stack([question_features(question.text, vector) for question, vector in pairs])


def _print(name: str, labels: NDArray[np.bool_], predicted: NDArray[np.bool_]) -> None:
    """Print how many questions of each kind were recognised."""
    found, accepted = int(predicted[labels].sum()), int((~predicted[~labels]).sum())
    sys.stdout.write(
        f"{name}: {found} of {int(labels.sum())} on plant facts recognised, "
        f"{accepted} of {int((~labels).sum())} others accepted\n"
    )


if __name__ == "__main__":
    main()
