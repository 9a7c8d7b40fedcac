"""Measure the share of right answers: `python -m load.bench.plant_questions`."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter

from gateway.plant.questions.values import PlantAnswer
from load.bench.plant_questions.asking import open_plant
from load.bench.plant_questions.facts import Expected, is_right
from load.bench.plant_questions.plant import generate
from load.bench.plant_questions.questions import Case, read_cases


@dataclass(frozen=True, slots=True)
class Scored:
    """A question with its answer, what was expected, and how long it took in milliseconds."""

    case: Case
    answer: PlantAnswer
    expected: Expected
    milliseconds: float

    @property
    def is_right(self) -> bool:
        """Whether the answer is right."""
        return is_right(self.answer, self.expected)


def measure() -> list[Scored]:
    """Ask all questions."""
    plant = generate()
    asker = open_plant(plant)
    scored = []
    for case in read_cases():
        began = perf_counter()
        answer = asker.ask(case.text)
        took = (perf_counter() - began) * 1_000
        scored.append(Scored(case, answer, case.expected(plant), took))
    return scored


def report(scored: Sequence[Scored]) -> str:
    """Return the share of right answers by language, the wrong ones, and the times."""
    lines = []
    keys = dict.fromkeys((one.case.set, one.case.language) for one in scored)
    for name, language in keys:
        group = [one for one in scored if (one.case.set, one.case.language) == (name, language)]
        right = sum(one.is_right for one in group)
        lines.append(f"{name} set, {language}: {right} of {len(group)} right")
    times = sorted(one.milliseconds for one in scored)
    lines.append(f"median {times[len(times) // 2]:.1f} ms, highest {times[-1]:.1f} ms")
    lines += [
        f"wrong: {one.case.text} -> {one.answer.status.value} "
        f"({one.answer.understood}) {one.answer.unknown}"
        for one in scored
        if not one.is_right
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.stdout.write(report(measure()) + "\n")
