"""Documents as the network learns from them: states below the trained layers, features, answers."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from models.line_reader.encoder_file import EncoderFile
from models.line_reader.encoding import (
    MAX_LINE_TOKENS,
    MAX_QUESTION_TOKENS,
    StateEncoder,
    load_state_encoder,
)
from models.line_reader.features import line_features
from models.line_reader.training.documents import TrainingDocument
from models.multilingual import PASSAGE, QUERY

TRAINED_LAYERS = 4


@dataclass(frozen=True, slots=True)
class Task:
    """A document's questions.

    `lines` and `questions` are states [tokens, hidden]; `features` [questions, lines, features];
    `answers` [questions, lines] are true for the lines that answer.
    """

    lines: Sequence[torch.Tensor]
    questions: Sequence[torch.Tensor]
    features: torch.Tensor
    answers: torch.Tensor

    def part(self, indices: Sequence[int]) -> "Task":
        """Return the task with some of its questions."""
        questions = [self.questions[index] for index in indices]
        chosen = list(indices)
        return Task(self.lines, questions, self.features[chosen], self.answers[chosen])


def prepare(
    file: EncoderFile, documents: Sequence[TrainingDocument], trained: int = TRAINED_LAYERS
) -> Iterator[Task]:
    """Yield the tasks of documents that have questions. Takes a second for 30 lines."""
    encoder = load_state_encoder(file, file.sizes.layers - trained)
    for document in documents:
        if document.asked and len(document.lines) > 1:
            yield _prepare(encoder, document)


def _prepare(encoder: StateEncoder, document: TrainingDocument) -> Task:
    shown = [PASSAGE + line.shown for line in document.lines]
    asked = [QUERY + one.question for one in document.asked]
    lines, questions = (
        encoder.states(shown, MAX_LINE_TOKENS),
        encoder.states(asked, MAX_QUESTION_TOKENS),
    )
    # The network computes the features of nearness itself.
    nearness = np.zeros(len(lines), np.float32)
    features = [line_features(one.question, document.lines, nearness) for one in document.asked]
    answers: NDArray[np.bool_] = np.zeros((len(asked), len(lines)), bool)
    for row, one in enumerate(document.asked):
        answers[row, sorted(one.lines)] = True
    return Task(
        [torch.from_numpy(one).bfloat16() for one in lines],
        [torch.from_numpy(one).bfloat16() for one in questions],
        torch.from_numpy(np.stack(features)),
        torch.from_numpy(answers),
    )
