"""`python -m models.line_reader.model_check.train`: fit the weights to a served model's replies.

`--url`, `--key` and `--model` name an OpenAI-compatible service with log-probabilities, `--replies`
a file that keeps its replies. The judge's probabilities are of judges that have not learned from
the document (train_judge.py). Prints the figures of left-out documents, and of the final set, which
nothing is tuned on. Takes 15 minutes with 1.5B parameters on two cores.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from models.grounding.families import lacks_asked_item
from models.line_reader.judging.judge import JudgeWeights, load_judge
from models.line_reader.model_check.fitting import CheckedCase, checked, fit_left_out
from models.line_reader.model_check.replies import Margins, Pair, ReplyCollector
from models.line_reader.model_check.verdict import WEIGHTS_FILE
from models.line_reader.training.case_sets import load_case_sets
from models.line_reader.training.judging import Case
from models.line_reader.training.outcomes import Outcome, answer, leave_out, print_figures

_EVERY = 50


def main(arguments: Sequence[str] | None = None) -> None:
    """Ask about the judge's best line of each question, fit, measure and store the weights."""
    options = _parse(arguments)
    sets, judge = load_case_sets(), load_judge().weights
    left_out = leave_out(sets.every)
    judged = {
        name: [(case, *left_out[id(case)]) for case in group if case.weight == 1.0]
        for name, group in sets.learned.items()
    }
    final = [(case, answer(judge, case), judge) for case in sets.final if case.weight == 1.0]
    collector = ReplyCollector(options.url, options.key, options.model, options.replies)
    entries = [entry for group in (*judged.values(), final) for entry in group]
    replies = collector.collect([_pair(case, by) for case, _, by in entries], _report_progress)

    def cases(group: Sequence[tuple[Case, Outcome, JudgeWeights]]) -> list[CheckedCase]:
        return [_checked_case(case.group, by, _pair(case, w), replies) for case, by, w in group]

    every = [case for group in judged.values() for case in cases(group)]
    weights, outcomes = fit_left_out(every)
    rest = iter(outcomes)
    for name, group in judged.items():
        joint = [next(rest) for _ in group]
        print_figures(f"{name}, judge alone", [by for _, by, _ in group], (judge.threshold,))
        print_figures(f"{name}, with the model", joint, (weights.threshold,))
    print_figures("final, judge alone", [by for _, by, _ in final], (judge.threshold,))
    print_figures(
        "final, with the model",
        [checked(weights, one) for one in cases(final)],
        (weights.threshold,),
    )
    options.target.write_bytes(msgspec.json.format(msgspec.json.encode(weights)) + b"\n")
    sys.stdout.write(f"{weights}\n")


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m models.line_reader.model_check.train")
    parser.add_argument("--url", required=True, help="of the service, with /v1")
    parser.add_argument("--key", default="")
    parser.add_argument("--model", required=True)
    parser.add_argument("--replies", type=Path, default=Path("build/line_replies.jsonl"))
    parser.add_argument("--target", type=Path, default=WEIGHTS_FILE)
    return parser.parse_args(arguments)


def _pair(case: Case, weights: JudgeWeights) -> Pair:
    """Return a question with the line that a judge puts first."""
    best = int((case.candidates.lines @ weights.rank).argmax())
    return case.text, case.lines[int(case.candidates.order[best])].shown


def _checked_case(
    group: str, judged: Outcome, pair: Pair, replies: Mapping[Pair, Margins]
) -> CheckedCase:
    """Return a question with the replies to it and its line."""
    question, line = pair
    return CheckedCase(group, judged, replies[pair], lacks_asked_item(question, [line]))


def _report_progress(done: int, total: int) -> None:
    """Print the number of pairs that were asked about, now and then."""
    if done % _EVERY == 0 or done == total:
        sys.stderr.write(f"{done} of {total}\n")


if __name__ == "__main__":
    main()
