"""The way back on the real engine: `python -m load.bench.feedback_training`, an hour or more on two cores.

Three firms correct the shared model's answers with their consent, a version is learned from that
and judged beside the present one, and what calls are answered by is looked at before and after, and
after a rollback. Nothing else should run on the machine meanwhile.
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

from load.deployment.service import Wanted, whole_service, with_weights
from models.catalog import Task, load_catalog

FIRMS = ("acme", "boltz", "cantor")
_EACH, _NEW = 80, 40
# What no model can know: which crew of the plant sees to an alarm, by the letter of its code.
_CREWS: Mapping[str, tuple[str, str]] = {
    "E": ("Call the electricians.", "请叫电工班。"),
    "H": ("Call the hydraulics crew.", "请叫液压班。"),
    "M": ("Call the millwrights.", "请叫机修班。"),
    "P": ("Call the compressor crew.", "请叫空压班。"),
}
_ASKED = ("Alarm {} is on at press {}. Whom do we call?", "{1}号压机报警{0}，应该叫谁？")
_AT_ONCE = 4


@dataclass(frozen=True, slots=True)
class Question:
    """Asked in one of two languages, and what the plant would say."""

    text: str
    right: str


@dataclass(frozen=True, slots=True)
class Answers:
    """How many of the new questions were answered right, and by which versions."""

    right: int
    asked: int
    models: tuple[str, ...]


def questions(first: int, count: int) -> Iterator[Question]:
    """No two alike, evenly over crews and languages."""
    for number in range(first, first + count):
        letter = list(_CREWS)[number % len(_CREWS)]
        language = number // len(_CREWS) % 2
        code = f"{letter}{100 + 7 * number}"
        text = _ASKED[language].format(code, 1 + number % 9)
        yield Question(text, _CREWS[letter][language])


async def correct(clients: Sequence[AsyncOpenAI], model: str) -> None:
    """Each firm asks questions of its own and says what should have been answered."""
    turns = asyncio.Semaphore(_AT_ONCE)

    async def one(client: AsyncOpenAI, question: Question) -> None:
        messages: Any = [{"role": "user", "content": question.text}]
        async with turns:
            said = await client.chat.completions.with_raw_response.create(
                model=model, messages=messages, max_tokens=24
            )
            body = {
                "request_id": said.headers["x-request-id"],
                "rating": "bad",
                "messages": messages,
                "correction": question.right,
                "consent": True,
            }
            await client.post("/feedback", cast_to=object, body=body)

    await asyncio.gather(
        *(
            one(client, question)
            for number, client in enumerate(clients)
            for question in questions(number * _EACH, _EACH)
        )
    )


async def ask(client: AsyncOpenAI, model: str) -> Answers:
    """Questions that nobody corrected, greedily."""
    right, models = 0, set()
    for question in questions(len(FIRMS) * _EACH, _NEW):
        said = await client.chat.completions.create(
            model=model,
            messages=[{"role": "user", "content": question.text}],
            max_tokens=24,
            temperature=0,
        )
        right += (said.choices[0].message.content or "").strip() == question.right
        models.add(said.model)
    return Answers(right, _NEW, tuple(sorted(models)))


class Story:
    """One run; each step says how long it took."""

    def __init__(self, url: str, keys: Sequence[str], environment: Mapping[str, str]) -> None:
        sold = load_catalog("cpu").with_task(Task.TEXT_GENERATION)
        self._model = next(one.id for one in sold if one.base)
        self._clients = [
            AsyncOpenAI(base_url=f"{url}/v1", api_key=key, timeout=600) for key in keys
        ]
        self._environment = environment

    async def run(self) -> None:
        """From the first question to the version that stays."""
        model, first = self._model, self._clients[0]
        self._say("before", await ask(first, model))
        began = time.monotonic()
        await correct(self._clients, model)
        self._say(f"corrected, {time.monotonic() - began:.0f} s", None)
        began = time.monotonic()
        await asyncio.to_thread(self._maas, "models", "propose", model)
        self._say(f"proposed, {time.monotonic() - began:.0f} s", None)
        newest = (await asyncio.to_thread(self._versions))[0]
        sys.stdout.write(json.dumps(newest, ensure_ascii=False, indent=1) + "\n")
        self._say("after", await ask(first, model))
        await asyncio.to_thread(self._maas, "models", "rollback", model)
        await asyncio.sleep(2)  # it holds on every gateway within a second
        self._say("rolled back", await ask(first, model))

    def _maas(self, *words: str) -> str:
        command = [str(Path(sys.executable).with_name("maas")), *words]
        done = subprocess.run(command, env=self._environment, stdout=subprocess.PIPE, text=True)
        sys.stderr.write(done.stdout)
        return done.stdout

    def _versions(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(
            self._maas("models", "versions", self._model, "--json")
        )
        return sorted(found, key=lambda one: -int(one["number"]))

    @staticmethod
    def _say(what: str, answers: Answers | None) -> None:
        told = (
            "" if answers is None else f": {answers.right} of {answers.asked} by {answers.models}"
        )
        sys.stdout.write(f"{what}{told}\n")
        sys.stdout.flush()


def main() -> None:
    """Start the service, tell the story, stop it."""
    parser = argparse.ArgumentParser(
        prog="python -m load.bench.feedback_training", description=__doc__
    )
    parser.add_argument("--weights-from", type=Path, help="a weights folder of an earlier run")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="maas-bench-") as name:
        folder = Path(name)
        if given.weights_from:
            with_weights(folder / "data", given.weights_from)
        with whole_service(Wanted(folder, FIRMS)) as site:
            environment = {**os.environ, "MAAS_DATA_DIR": str(folder / "data")}
            story = Story(site.url, [firm.key for firm in site.firms], environment)
            asyncio.run(story.run())


if __name__ == "__main__":
    main()
