"""Recognise questions on facts of a plant: stock, people, settings, dates, results.

No handbook answers them, although its passages on the same equipment are near. A logistic
regression on the question's embedding and three features of its words decides.
`plant_facts.npz` is made by `python -m models.handbook.train_plant_facts`.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from models.handbook.index import HandbookIndex, Vectors

WEIGHTS_FILE = Path(__file__).with_name("plant_facts.npz")
# Embeddings have length 1, word features are 0 or 1: without it, the latter would decide alone.
_EMBEDDING_SCALE = 8.0
# A machine, line or batch by its number or code.
_OWN_NAME = re.compile(
    r"[a-z]{1,3}-?\d|\d号|[一二三四五六七八九十]号|\bno\. ?\d|"
    r"\b(?:line|cell|pump|crane|fan|job|lot|batch|order) [a-z]?-?\d",
    re.IGNORECASE,
)
# The company itself, or a point in time.
_HERE_OR_NOW = re.compile(
    r"\b(?:our|we|us|last (?:week|month|year|time|night|shift)|yesterday|today|now|currently|"
    r"this (?:week|month|year|weekend)|next|left|in stock)\b|"
    r"我们|咱们|上次|上周|上个?月|昨天|今天|现在|这周|今年|还剩|还有几|下次",
    re.IGNORECASE,
)
_WHO_WHEN_HOW_MANY = re.compile(
    r"^(?:who|whose|when|where|which (?:customer|supplier|shift)|how many)\b|password|phone|"
    r"谁|哪天|哪家|哪个(?:班|客户|供应商)|几个|多少(?:件|个|人|钱)|密码|电话",
    re.IGNORECASE,
)
_WORD_FEATURES = (_OWN_NAME, _HERE_OR_NOW, _WHO_WHEN_HOW_MANY)


@dataclass(frozen=True, slots=True)
class PlantFactClassifier:
    """Whether a question asks for facts of the plant.

    `weights` belong to the features of `question_features`, [dimensions + 3]. Embeddings must be
    made by `embedding_model`, an id of the catalog.
    """

    weights: Vectors
    bias: float
    embedding_model: str

    def is_plant_fact(self, question: str, vector: Sequence[float]) -> bool:
        """Whether no handbook can answer the question; `vector` is its embedding.

        False for a vector of another dimension, which another model made.
        """
        if len(vector) + len(_WORD_FEATURES) != len(self.weights):
            return False
        features = question_features(question, vector)
        return float(features @ self.weights) + self.bias > 0.0

    def fits(self, index: HandbookIndex) -> bool:
        """Whether questions to this handbook are embedded by the model of the weights."""
        return self.embedding_model == index.embedding_model


def question_features(question: str, vector: Sequence[float]) -> Vectors:
    """Return the features of a question, [dimensions + 3]: its embedding and its words."""
    embedding = np.asarray(vector, dtype=np.float32)
    length = max(float(np.linalg.norm(embedding)), 1e-9)
    words = [float(pattern.search(question) is not None) for pattern in _WORD_FEATURES]
    return np.concatenate([embedding * (_EMBEDDING_SCALE / length), words]).astype(np.float32)


def load_classifier(file: Path = WEIGHTS_FILE) -> PlantFactClassifier:
    """Load the classifier. Raises OSError, KeyError and ValueError for an unusable file."""
    with np.load(file) as stored:
        weights = stored["weights"].astype(np.float32)
        return PlantFactClassifier(weights, float(stored["bias"]), str(stored["model"]))


def save_classifier(classifier: PlantFactClassifier, file: Path = WEIGHTS_FILE) -> None:
    """Store the classifier's weights in half precision."""
    np.savez_compressed(
        file,
        weights=classifier.weights.astype(np.float16),
        bias=np.array(classifier.bias),
        model=np.array(classifier.embedding_model),
    )
