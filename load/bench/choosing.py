"""`python -m load.bench.choosing`: how long `auto` takes to choose, in this process and alone.

Owns the run: each of the 200 requests that the classifier is judged by, in turn, and one text as
long as a body may be. What is timed is the whole choice, from the words to the model and its
reason; the processor's time beside the clock's, for a machine that does other things as well.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Sequence
from uuid import UUID

from gateway.call.values import ModelPrices
from gateway.inference.model_selection import (
    BYTES_PER_TOKEN,
    EXPECTED_OUTPUT_TOKENS,
    ModelSelector,
    SelectionCriteria,
)
from models.catalog import load_catalog
from models.routing.classifier import RouteClassifier
from models.routing.data import read_requests
from models.routing.evaluate import REQUESTS

LONGEST = 4 << 20
BAR_MS = 10


def main() -> None:
    """Measure, print a table in Markdown."""
    parser = argparse.ArgumentParser(prog="python -m load.bench.choosing", description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    rounds = parser.parse_args().rounds
    texts = [one.text for one in read_requests(REQUESTS)]
    longest = ("\n".join(texts) * (LONGEST // 10_000))[:LONGEST]
    lines = [
        "| what | decisions | p50 ms | p99 ms | longest ms | processor, longest ms | bar |\n|"
        + "---|" * 7,
        _line("200 requests", texts, rounds),
        _line("text of 4 MiB", [longest], rounds * 10),
    ]
    sys.stdout.write("\n".join(lines) + "\n")


def _line(what: str, texts: Sequence[str], rounds: int) -> str:
    catalog = load_catalog("cpu")
    chooser = ModelSelector(catalog, RouteClassifier.load())
    prices = {
        name: ModelPrices(UUID(int=0), model.prices["CNY"])
        for name, model in catalog.models.items()
    }
    took, worked = [], []
    for _ in range(rounds):
        for text in texts:
            began, idle = time.perf_counter(), time.thread_time()
            tokens = len(text) // BYTES_PER_TOKEN
            chooser.select_for_text(
                SelectionCriteria(
                    prices, text, input_tokens=tokens, output_tokens=EXPECTED_OUTPUT_TOKENS
                )
            )
            took.append(1000 * (time.perf_counter() - began))
            worked.append(1000 * (time.thread_time() - idle))
    p99 = statistics.quantiles(took, n=100)[98]
    return (
        f"| {what} | {len(took)} | {statistics.median(took):.2f} | {p99:.2f} | {max(took):.2f} "
        f"| {max(worked):.2f} | {BAR_MS} |"
    )


if __name__ == "__main__":
    main()
