"""`make bench-improving`: train the shared model on feedback, with the real engine; an hour or
more.

Three firms correct answers with their consent, a new version is trained on the corrections and
evaluated, and answers are scored before, after, and after a rollback. Nothing else should run on
the machine.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from openai import AsyncOpenAI

from load.deployment.service import DeploymentSettings, link_weights, run_deployment
from models.catalog import DEFAULT_PROFILE, Task, load_catalog

FIRMS = ("acme", "boltz", "cantor")
_CORRECTIONS_PER_FIRM, _TEST_QUESTIONS = 80, 40
# Facts that no model can know: the crew responsible for an alarm, by the letter of its code.
_CREWS: Mapping[str, tuple[str, str]] = {
    "E": ("Call the electricians.", "请叫电工班。"),
    "H": ("Call the hydraulics crew.", "请叫液压班。"),
    "M": ("Call the millwrights.", "请叫机修班。"),
    "P": ("Call the compressor crew.", "请叫空压班。"),
}
_TEMPLATES = ("Alarm {} is on at press {}. Whom do we call?", "{1}号压机报警{0}，应该叫谁？")
_CONCURRENCY = 4


@dataclass(frozen=True, slots=True)
class Question:
    """A question in one of two languages, and the expected answer."""

    text: str
    expected: str


@dataclass(frozen=True, slots=True)
class AnswerScore:
    """The number of correct answers to new questions, and the versions that answered."""

    correct: int
    asked: int
    models: tuple[str, ...]


def generate_questions(first: int, count: int) -> Iterator[Question]:
    """Yield distinct questions, evenly over crews and languages."""
    for number in range(first, first + count):
        letter = list(_CREWS)[number % len(_CREWS)]
        language = number // len(_CREWS) % 2
        code = f"{letter}{100 + 7 * number}"
        text = _TEMPLATES[language].format(code, 1 + number % 9)
        yield Question(text, _CREWS[letter][language])


async def submit_corrections(clients: Sequence[AsyncOpenAI], model: str) -> None:
    """Ask each firm's own questions and submit the expected answers as feedback."""
    turns = asyncio.Semaphore(_CONCURRENCY)

    async def one(client: AsyncOpenAI, question: Question) -> None:
        messages: Any = [{"role": "user", "content": question.text}]
        async with turns:
            response = await client.chat.completions.with_raw_response.create(
                model=model, messages=messages, max_tokens=24
            )
            body = {
                "request_id": response.headers["x-request-id"],
                "rating": "bad",
                "messages": messages,
                "correction": question.expected,
                "consent": True,
            }
            await client.post("/feedback", cast_to=object, body=body)

    await asyncio.gather(
        *(
            one(client, question)
            for number, client in enumerate(clients)
            for question in generate_questions(
                number * _CORRECTIONS_PER_FIRM, _CORRECTIONS_PER_FIRM
            )
        )
    )


async def score_answers(client: AsyncOpenAI, model: str) -> AnswerScore:
    """Score the answers to questions that were not corrected, with greedy decoding."""
    correct, models = 0, set()
    for question in generate_questions(len(FIRMS) * _CORRECTIONS_PER_FIRM, _TEST_QUESTIONS):
        response = await client.chat.completions.create(
            model=model,
            messages=[{"role": "user", "content": question.text}],
            max_tokens=24,
            temperature=0,
        )
        correct += (response.choices[0].message.content or "").strip() == question.expected
        models.add(response.model)
    return AnswerScore(correct, _TEST_QUESTIONS, tuple(sorted(models)))


class FeedbackTraining:
    """One run; each step reports its duration."""

    def __init__(self, url: str, keys: Sequence[str], environment: Mapping[str, str]) -> None:
        sold = load_catalog(DEFAULT_PROFILE).with_task(Task.TEXT_GENERATION)
        self._model = next(one.id for one in sold if one.base)
        self._clients = [
            AsyncOpenAI(base_url=f"{url}/v1", api_key=key, timeout=600) for key in keys
        ]
        self._environment = environment

    async def run(self) -> None:
        """Score, correct, train, score, roll back and score again."""
        model, first = self._model, self._clients[0]
        self._report("before", await score_answers(first, model))
        began = time.monotonic()
        await submit_corrections(self._clients, model)
        self._report(f"corrected, {time.monotonic() - began:.0f} s", None)
        began = time.monotonic()
        await asyncio.to_thread(self._run_maas, "models", "propose", model)
        self._report(f"proposed, {time.monotonic() - began:.0f} s", None)
        newest = (await asyncio.to_thread(self._versions))[0]
        sys.stdout.write(json.dumps(newest, ensure_ascii=False, indent=1) + "\n")
        self._report("after", await score_answers(first, model))
        await asyncio.to_thread(self._run_maas, "models", "rollback", model)
        await asyncio.sleep(2)  # effective on every gateway within a second
        self._report("rolled back", await score_answers(first, model))

    def _run_maas(self, *words: str) -> str:
        command = [str(Path(sys.executable).with_name("maas")), *words]
        done = subprocess.run(command, env=self._environment, stdout=subprocess.PIPE, text=True)
        sys.stderr.write(done.stdout)
        return done.stdout

    def _versions(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(
            self._run_maas("models", "versions", self._model, "--json")
        )
        return sorted(found, key=lambda one: -int(one["number"]))

    @staticmethod
    def _report(what: str, score: AnswerScore | None) -> None:
        text = "" if score is None else f": {score.correct} of {score.asked} by {score.models}"
        sys.stdout.write(f"{what}{text}\n")
        sys.stdout.flush()


def main() -> None:
    """Run the benchmark on a service started here."""
    parser = argparse.ArgumentParser(
        prog="python -m load.bench.feedback_training", description=__doc__
    )
    parser.add_argument("--weights-from", type=Path, help="a weights folder of an earlier run")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="maas-bench-") as name:
        folder = Path(name)
        if options.weights_from:
            link_weights(folder / "data", options.weights_from)
        with run_deployment(DeploymentSettings(folder, FIRMS)) as deployment:
            environment = {**os.environ, "MAAS_DATA_DIR": str(folder / "data")}
            training = FeedbackTraining(
                deployment.url, [firm.key for firm in deployment.firms], environment
            )
            asyncio.run(training.run())


if __name__ == "__main__":
    main()
