"""How the network answers held-out questions, and the threshold that they give."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from models.line_reader.training.network import LineNetwork
from models.line_reader.training.tasks import Task

# The share of unanswerable held-out questions that the threshold reports.
REPORTED = 0.85


@dataclass(frozen=True, slots=True)
class Measured:
    """Of each question: whether it has an answer, whether the best line is one, and its margin."""

    answerable: NDArray[np.bool_]
    is_right: NDArray[np.bool_]
    margins: NDArray[np.float32]

    def threshold(self, reported: float = REPORTED) -> float:
        """Return the margin that so many of the unanswerable questions stay below."""
        return float(np.quantile(self.margins[~self.answerable], reported))

    def shares(self, threshold: float) -> tuple[float, float, float]:
        """Return the shares of right and wrong answers, and of reported unanswerable questions."""
        given = self.margins > threshold
        right = (given & self.is_right)[self.answerable].mean()
        wrong = (given & ~self.is_right)[self.answerable].mean()
        return float(right), float(wrong), float((~given)[~self.answerable].mean())


@torch.no_grad()
def measure(network: LineNetwork, tasks: Sequence[Task]) -> Measured:
    """Let the network answer all questions of tasks, with all lines of their documents."""
    network.eval()
    answerable, right, margins = [], [], []
    for task in tasks:
        nothing_hidden = torch.zeros_like(task.answers)
        scores = network(task.lines, task.questions, task.features, nothing_hidden)
        best = scores[:, 1:].argmax(1)
        answerable.append(task.answers.any(1).numpy())
        right.append(task.answers[torch.arange(len(best)), best].numpy())
        margins.append((scores[:, 1:].max(1).values - scores[:, 0]).numpy())
    return Measured(*(np.concatenate(found) for found in (answerable, right, margins)))


def describe(name: str, measured: Measured) -> str:
    """Return a line of Markdown with shares at several thresholds."""
    best = measured.is_right[measured.answerable].mean()
    cells = []
    for reported in (0.7, 0.8, REPORTED, 0.9, 0.95):
        threshold = measured.threshold(reported)
        right, wrong, _ = measured.shares(threshold)
        cells.append(f"{reported:.0%} ({threshold:.2f}): {right:.1%}, {wrong:.1%}")
    return f"| {name} | best line {best:.1%} | {' | '.join(cells)} |"
