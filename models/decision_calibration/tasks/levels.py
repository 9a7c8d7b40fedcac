"""Score: the level of a reading by limits that the input names. Made up, English and Chinese."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from models.decision_calibration.questions import Option, QuestionKind, TypedQuestion
from models.decision_calibration.tasks.labelled_question import LabelledQuestion

_COUNT = 160


@dataclass(frozen=True, slots=True)
class _Scale:
    """Ordered levels, the sentence with their three limits and the reading, and the question."""

    question: str
    levels: tuple[str, ...]
    sentence: str
    limits: tuple[tuple[float, float, float], ...]


_ALARMS = (
    _Scale(
        "How serious is the reading?",
        ("normal", "watch", "warning", "alarm"),
        "Bearing temperature: watch from {0:g} °C, warning from {1:g} °C, alarm from {2:g} °C. "
        "Reading of machine {4}: {3:.1f} °C.",
        ((60, 75, 90), (55, 70, 80), (70, 85, 110)),
    ),
    _Scale(
        "该读数属于哪个级别？",
        ("正常", "关注", "预警", "报警"),
        "振动速度：{0:g} mm/s 起关注，{1:g} mm/s 起预警，{2:g} mm/s 起报警。"
        "{4} 号设备读数：{3:.1f} mm/s。",
        ((2.8, 4.5, 7.1), (1.8, 2.8, 4.5), (3.5, 5.5, 9)),
    ),
)
_STOCKS = (
    _Scale(
        "How well stocked is the part?",
        ("empty or nearly so", "below the reorder point", "enough", "too much"),
        "Part {4}: nearly empty below {0:g} pieces, reorder below {1:g}, too much from {2:g}. "
        "In stock: {3:.0f}.",
        ((10, 40, 200), (5, 25, 120), (30, 90, 400)),
    ),
    _Scale(
        "该备件的库存处于什么水平？",
        ("几乎没有", "低于订货点", "充足", "过多"),
        "备件 {4}：少于 {0:g} 件为几乎没有，少于 {1:g} 件应订货，{2:g} 件及以上为过多。"
        "现有 {3:.0f} 件。",
        ((8, 30, 150), (12, 60, 300), (4, 20, 90)),
    ),
)


def load_alarms(_directory: Path) -> Sequence[LabelledQuestion]:
    """Load the questions about alarm levels. Needs no training set."""
    return _questions("alarm_levels", _ALARMS, random.Random(17))  # noqa: S311


def load_stocks(_directory: Path) -> Sequence[LabelledQuestion]:
    """Load the questions about levels of stock. Needs no training set."""
    return _questions("stock_levels", _STOCKS, random.Random(19))  # noqa: S311


def _questions(
    task: str, scales: Sequence[_Scale], generator: random.Random
) -> list[LabelledQuestion]:
    """Return questions whose levels are equally frequent."""
    questions = []
    for number in range(_COUNT):
        scale, level = scales[number % 2], number // 2 % 4
        limits = generator.choice(scale.limits)
        edges = (0.0, *limits, limits[-1] * 1.6)
        share = generator.uniform(0.1, 0.9)
        value = edges[level] + share * (edges[level + 1] - edges[level])
        context = scale.sentence.format(*limits, value, 100 + number)
        options = tuple(Option(one) for one in scale.levels)
        typed = TypedQuestion(QuestionKind.SCORE, scale.question, options)
        questions.append(LabelledQuestion(f"{task}/{number}", context, typed, level))
    return questions
