"""`python -m load.bench.grounding`: how long the checks of answers against passages take.

An answer of about 1,000 tokens and passages of about 320 tokens each, in both languages.
"""

import sys
import time
from collections.abc import Callable
from functools import partial

from models.grounding.check import AnswerChecker
from models.grounding.draft import MAX_SENTENCE_LENGTH, GrowingDraft

_PASSAGES = 5
_REPETITIONS = 20
_ENGLISH = (
    "Replace the return filter F3 every 500 h and stop at 80 °C; keep the level 1.5 m above the "
    "suction of pump P-101 and tighten the M12 bolts with 45 Nm. "
)
_CHINESE = (
    "回油滤芯F3每500 h更换一次，油温超过80 °C时停机；"
    "P-101吸入口以上保持1.5 m液位，M12螺栓拧紧到45 Nm。"
)


def main() -> None:
    """Print the times in milliseconds."""
    for name, sentence, per_passage, per_answer in (
        ("English", _ENGLISH, 9, 28),
        ("Chinese", _CHINESE, 7, 22),
    ):
        passages = [sentence * per_passage] * _PASSAGES
        answer = sentence * per_answer
        checker = AnswerChecker("How often?", passages)
        long = ("moon rock-7 " * MAX_SENTENCE_LENGTH)[:MAX_SENTENCE_LENGTH]
        _report(name, "prepare passages", partial(AnswerChecker, "How often?", passages))
        _report(name, f"answer of {len(answer)} characters", partial(checker.check, answer))
        _report(name, "one sentence", partial(checker.check, sentence))
        _report(name, "longest sentence", partial(checker.check, long))
        _report(name, "stream in parts of 4", partial(_stream, checker, answer))


def _stream(checker: AnswerChecker, answer: str) -> None:
    """Check an answer as a stream delivers it."""
    draft = GrowingDraft("How often?", checker)
    for start in range(0, len(answer), 4):
        draft.feed(answer[start : start + 4])
    draft.finish()


def _report(language: str, name: str, work: Callable[[], object]) -> None:
    """Print the shortest of several times."""
    times = []
    for _ in range(_REPETITIONS):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    sys.stdout.write(f"{language}, {name}: {min(times) * 1000:.2f} ms\n")


if __name__ == "__main__":
    main()
