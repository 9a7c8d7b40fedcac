"""`python -m models.line_reader.model_check.train`: fit the weights to a served model's replies.

`--url`, `--key` and `--model` name an OpenAI-compatible service with log-probabilities, `--replies`
a file that keeps its replies. The judge's probabilities are of judges that have not learned from
the document (train_judge.py). Prints the figures of left-out documents, and of the final set, which
nothing is tuned on. Takes 13 minutes with 1.5B parameters on two cores.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from models.grounding.families import lacks_asked_item
from models.line_reader.judging.judge import JudgeWeights, load_judge
from models.line_reader.model_check.fitting import CheckedCase, checked, fit_left_out
from models.line_reader.model_check.replies import Margins, Pair, ReplyCollector
from models.line_reader.model_check.verdict import WEIGHTS_FILE, CheckWeights
from models.line_reader.training.case_sets import CaseSets, load_case_sets
from models.line_reader.training.judging import Case
from models.line_reader.training.outcomes import Outcome, answer, leave_out, print_figures

_EVERY = 50


@dataclass(frozen=True, slots=True)
class JudgedCase:
    """A question of a document with the judge that answers it, and how."""

    case: Case
    outcome: Outcome
    judge: JudgeWeights

    @property
    def pair(self) -> Pair:
        """Return the question with the line that the judge puts first."""
        best = int((self.case.candidates.lines @ self.judge.rank).argmax())
        return self.case.text, self.case.lines[int(self.case.candidates.order[best])].shown

    def with_reply(self, replies: Mapping[Pair, Margins]) -> CheckedCase:
        """Return the question with the model's replies to it and its line."""
        question, line = self.pair
        is_of_other_item = lacks_asked_item(question, [line])
        return CheckedCase(self.case.group, self.outcome, replies[self.pair], is_of_other_item)


def main(arguments: Sequence[str] | None = None) -> None:
    """Ask about the judge's best line of each question, fit, measure and store the weights."""
    options = _parse(arguments)
    judge, sets = load_judge().weights, load_case_sets()
    learned, final = _judge_left_out(sets), _judge_all(judge, sets.final)
    collector = ReplyCollector(options.url, options.key, options.model, options.replies)
    pairs = [one.pair for group in (*learned.values(), final) for one in group]
    replies = collector.collect(pairs, _report_progress)
    every = [one.with_reply(replies) for group in learned.values() for one in group]
    weights, outcomes = fit_left_out(every)
    left = iter(outcomes)
    for name, group in learned.items():
        _print(f"{name}, left out", group, [next(left) for _ in group], judge, weights)
    joint = [checked(weights, one.with_reply(replies)) for one in final]
    _print("final", final, joint, judge, weights)
    options.target.write_bytes(msgspec.json.format(msgspec.json.encode(weights)) + b"\n")
    sys.stdout.write(f"{weights}\n")


def _judge_left_out(sets: CaseSets) -> Mapping[str, list[JudgedCase]]:
    """Return the written questions by set, with judges that have not learned from the document."""
    left_out = leave_out(sets.every)
    return {
        name: [JudgedCase(case, *left_out[id(case)]) for case in group if case.weight == 1.0]
        for name, group in sets.learned.items()
    }


def _judge_all(judge: JudgeWeights, cases: Sequence[Case]) -> list[JudgedCase]:
    """Return the written questions as one judge answers them."""
    written = [case for case in cases if case.weight == 1.0]
    return [JudgedCase(case, answer(judge, case), judge) for case in written]


def _print(
    name: str,
    judged: Sequence[JudgedCase],
    joint: Sequence[Outcome],
    judge: JudgeWeights,
    weights: CheckWeights,
) -> None:
    """Print the figures of a set, of the judge alone and with the model."""
    alone = [one.outcome for one in judged]
    print_figures(f"{name}, judge alone", alone, (round(judge.threshold, 2),))
    print_figures(f"{name}, with the model", joint, (weights.threshold,))


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m models.line_reader.model_check.train")
    parser.add_argument("--url", required=True, help="of the service, with /v1")
    parser.add_argument("--key", default="")
    parser.add_argument("--model", required=True)
    parser.add_argument("--replies", type=Path, default=Path("build/line_replies.jsonl"))
    parser.add_argument("--target", type=Path, default=WEIGHTS_FILE)
    return parser.parse_args(arguments)


def _report_progress(done: int, total: int) -> None:
    """Print the number of pairs that were asked about, now and then."""
    if done % _EVERY == 0 or done == total:
        sys.stderr.write(f"{done} of {total}\n")


if __name__ == "__main__":
    main()
