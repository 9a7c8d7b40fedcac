"""`python -m load.bench.assistant --url URL --key KEY`: quality of the assistant's answers.

Asks `industrial-assistant` the technicians' questions, and a model the questions about documents,
each document in a vector store of its own. Answers are scored by the rule that was committed before
any model was measured (models/handbook/evaluation/scoring.py) and written to a file of JSON lines,
to be read.
"""

import argparse
import asyncio
import json
import random
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import TextIO, TypeVar

from load.bench.assistant.calls import AskedAnswer, GatewayClient, connect
from load.bench.assistant.tables import document_table, technician_table
from models.catalog import DEFAULT_PROFILE, load_catalog
from models.handbook.evaluation.questions import (
    DOCUMENTS,
    DocumentQuestion,
    TechnicianQuestion,
    document_questions,
    final_questions,
    technician_questions,
)
from models.handbook.evaluation.scoring import score_document_answer, score_technician_answer

_SEED = 29
_Question = TypeVar("_Question", TechnicianQuestion, DocumentQuestion)
Ask = Callable[[_Question], Awaitable[AskedAnswer]]


def main(arguments: Sequence[str] | None = None) -> None:
    """Ask all questions and print the figures in Markdown."""
    options = _options(arguments)
    asyncio.run(_measure(options))


async def _measure(options: argparse.Namespace) -> None:
    """Ask the questions of both sets and print their tables."""
    async with connect(options.url, options.key) as client:
        with options.output.open("w", encoding="utf-8") as output:
            if not options.only_documents:
                questions = _sample(technician_questions(), options.sample)

                async def ask(question: TechnicianQuestion) -> AskedAnswer:
                    return await client.ask(options.model, question.question)

                answers = await _ask_all(questions, ask, options.concurrency, output)
                _print(technician_table(questions, answers))
            if not options.only_technician:
                asked = final_questions() if options.final else document_questions()
                documents = _sample(asked, options.sample)
                answers = await _ask_documents(client, documents, options, output)
                _print(document_table(documents, answers))


async def _ask_documents(
    client: GatewayClient,
    questions: Sequence[DocumentQuestion],
    options: argparse.Namespace,
    output: TextIO,
) -> list[AskedAnswer]:
    """Store the documents and ask the questions about them."""
    names = sorted({question.document for question in questions})
    stores = {
        name: await client.store_document(name, (DOCUMENTS / name).read_bytes()) for name in names
    }

    async def ask(question: DocumentQuestion) -> AskedAnswer:
        return await client.ask(
            options.documents_model, question.question, [stores[question.document]]
        )

    return await _ask_all(questions, ask, options.concurrency, output)


async def _ask_all(
    questions: Sequence[_Question], ask: "Ask[_Question]", concurrency: int, output: TextIO
) -> list[AskedAnswer]:
    """Ask all questions, so many at a time; write each answer, and return them in order."""
    slots, done = asyncio.Semaphore(concurrency), 0

    async def ask_one(question: _Question) -> AskedAnswer:
        nonlocal done
        async with slots:
            answer = await ask(question)
        _write(output, question, answer)
        done += 1
        sys.stderr.write(f"\r{done} of {len(questions)}")
        sys.stderr.flush()
        return answer

    answers = list(await asyncio.gather(*map(ask_one, questions)))
    sys.stderr.write("\n")
    return answers


def _sample(questions: Sequence[_Question], size: int | None) -> list[_Question]:
    """Return so many questions, chosen at random with a fixed seed, or all of them."""
    if size is None or size >= len(questions):
        return list(questions)
    return random.Random(_SEED).sample(list(questions), size)


def _write(output: TextIO, question: _Question, asked: AskedAnswer) -> None:
    """Write a question with its answer and verdict as a JSON line."""
    verdict = (
        score_document_answer(question, asked.answer)
        if isinstance(question, DocumentQuestion)
        else score_technician_answer(question, asked.answer.text)
    )
    line: Mapping[str, object] = {
        "id": question.id,
        "question": question.question,
        "verdict": verdict,
        "grounding": asked.grounding,
        "seconds": round(asked.seconds, 2),
        "answer": asked.answer.text,
    }
    output.write(json.dumps(line, ensure_ascii=False) + "\n")
    output.flush()


def _print(lines: Sequence[str]) -> None:
    """Print lines."""
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line; the default models are the catalog's."""
    models = load_catalog(DEFAULT_PROFILE).models.values()
    assistant = next(model.id for model in models if model.assistant is not None)
    parser = argparse.ArgumentParser(prog="python -m load.bench.assistant")
    add = parser.add_argument
    add("--url", default="http://127.0.0.1:8080", help="address of the gateway")
    add("--key", required=True, help="API key of an account with ample limits")
    add("--model", default=assistant, help=f"model for technicians (default: {assistant})")
    add("--documents-model", default="auto", help="model for documents (default: auto)")
    add("--concurrency", type=int, default=8)
    add("--sample", type=int, help="at most so many questions of each set, chosen at random")
    add("--only-technician", action="store_true")
    add("--only-documents", action="store_true")
    add("--final", action="store_true", help="the documents that nothing is tuned on")
    add("--output", type=Path, default=Path("build", "assistant_answers.jsonl"))
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
