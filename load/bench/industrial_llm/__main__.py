"""`make industrial-llm`: learn the adapter again, serve it, measure it, print the table.

    python -m load.bench.industrial_llm [--only-measure] [--sold-alone]

What is sold is asked through the gateway; the base and the adapters that are only measured at the
serving address behind it. Learning takes one to two hours on two cores and 16 GB of memory, so
nothing is served meanwhile. Stopped at any moment, the same command goes on; once the table is
told, it begins anew.
"""

import argparse
import asyncio
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import aiohttp

from load.bench.industrial_llm import adapters, quality
from load.bench.industrial_llm.training import BESIDE, SOLD, Lesson, base_folder, learn
from load.bench.servers import lift_limits, maas
from load.bench.streamed_calls import Server
from load.deployment.service import with_weights
from models.catalog import CATALOG_FILE, Model, Task, load_catalog
from models.industrial_llm import evaluate

_WORK = Path("build", "industrial_llm")
# Says that what lies in the folder was measured, and the table told.
_TOLD = "told"


def main(arguments: Sequence[str] | None = None) -> None:
    """Learn what is not learned yet, measure all, print a table in Markdown."""
    options = _options(arguments)
    sold = next(one for one in load_catalog("cpu").with_task(Task.TEXT_GENERATION) if one.base)
    beside = () if options.sold_alone else BESIDE
    artefact = CATALOG_FILE.parent / sold.weights.source
    base = base_folder(sold.engine_id, options.weights)
    if not options.only_measure:
        _learn_again(artefact, base, beside, options.work)
    with tempfile.TemporaryDirectory(prefix="maas-bench-") as folder:
        data_dir = Path(folder)
        with_weights(data_dir, options.weights / "weights")
        with maas(data_dir) as (gateway, serving):
            lift_limits(data_dir)
            _judge(sold, beside, options, gateway, serving)
            speed = asyncio.run(
                adapters.speed(serving.url, sold.id, sold.engine_id, artefact, options.rounds)
            )
    lines = [*quality.table(sold.id), "", "| what | figure | bar |", "|---|---|---|"]
    sys.stdout.write("\n".join([*lines, *adapters.rows(speed)]) + "\n")
    if not options.only_measure:
        (options.work / _TOLD).touch()


def _learn_again(artefact: Path, base: Path, beside: Sequence[Lesson], work: Path) -> None:
    """What is not learned yet since the last table. The adapter that lies here is replaced when the
    new one is whole."""
    if (work / _TOLD).exists():
        shutil.rmtree(work)
    industry = work / SOLD.name
    learn(SOLD, base, work, industry, industry)
    for name in adapters.FILES:
        shutil.copyfile(industry / name, artefact / name)
    for lesson in beside:
        learn(lesson, base, work, work / lesson.name, industry)


def _judge(
    sold: Model,
    beside: Sequence[Lesson],
    options: argparse.Namespace,
    gateway: Server,
    serving: Server,
) -> None:
    _evaluate(gateway, sold.id, sold.id)
    if not options.without_base:
        _evaluate(serving, sold.engine_id, quality.BASE, "--shots", "5")
    for lesson in beside:
        folder = options.work / lesson.name
        named = asyncio.run(_brought(serving.url, sold, folder))
        _evaluate(serving, named, lesson.name, *lesson.judged)


async def _brought(serving: str, sold: Model, folder: Path) -> str:
    async with aiohttp.ClientSession() as session:
        return await adapters.bring(session, serving, sold.id, sold.engine_id, folder)


def _evaluate(server: Server, model: str, name: str, *more: str) -> None:
    sys.stderr.write(f"{name}\n")
    told = ["--url", f"{server.url}/v1", "--key", server.api_key or "", "--model", model]
    command = [sys.executable, "-m", evaluate.__name__, *told, "--name", name, *more]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m load.bench.industrial_llm")
    add = parser.add_argument
    add("--only-measure", action="store_true", help="the adapter here; learn nothing")
    add("--sold-alone", action="store_true", help="no adapters that are measured only")
    add("--without-base", action="store_true", help="keep the base's figures")
    add("--weights", type=Path, default=Path("build"), help="where converted weights are kept")
    add("--work", type=Path, default=_WORK, help="adapters that are measured only")
    add("--rounds", type=int, default=5)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
