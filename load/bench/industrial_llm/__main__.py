"""`make industrial-llm`: train the adapter again, serve it, evaluate it and print the results.

    python -m load.bench.industrial_llm [--only-measure] [--sold-alone]

The sold model is called through the gateway, the base and other adapters at the serving address.
Training takes two hours on two cores and 16 GB of memory for the sold adapter, and half an hour to
one for each of the others; nothing is served meanwhile. An interrupted run is resumed; after the
table is printed, the next run starts anew.
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
from load.bench.industrial_llm.training import (
    EXTRA_RUNS,
    SOLD,
    TrainingRun,
    base_folder,
    train_adapter,
)
from load.bench.servers import lift_limits, run_maas
from load.bench.streamed_calls import Server
from load.deployment.service import link_weights
from models.catalog import CATALOG_FILE, DEFAULT_PROFILE, Model, Task, load_catalog
from models.industrial_llm import evaluate

_WORK = Path("build", "industrial_llm")
# Marker file: the adapters in the folder were evaluated and reported.
_REPORTED = "told"


def main(arguments: Sequence[str] | None = None) -> None:
    """Train what is missing, evaluate everything, and print a table in Markdown."""
    options = _options(arguments)
    texts = load_catalog(DEFAULT_PROFILE).with_task(Task.TEXT_GENERATION)
    sold = next(one for one in texts if one.weights.kind == "adapter")
    extra_runs = () if options.sold_alone else EXTRA_RUNS
    artefact = CATALOG_FILE.parent / sold.weights.source
    base = base_folder(sold.engine_id, options.weights)
    if not options.only_measure:
        _train_missing(artefact, base, extra_runs, options.work)
    with tempfile.TemporaryDirectory(prefix="maas-bench-") as folder:
        data_dir = Path(folder)
        link_weights(data_dir, options.weights / "weights")
        with run_maas(data_dir) as (gateway, serving):
            lift_limits(data_dir)
            _evaluate_all(sold, extra_runs, options, gateway, serving)
            speed = asyncio.run(
                adapters.measure_speed(
                    serving.url, sold.id, sold.engine_id, artefact, options.rounds
                )
            )
    lines = [*quality.render_table(sold.id), "", "| what | figure | bar |", "|---|---|---|"]
    sys.stdout.write("\n".join([*lines, *adapters.render_rows(speed)]) + "\n")
    if not options.only_measure:
        (options.work / _REPORTED).touch()


def _train_missing(
    artefact: Path, base: Path, extra_runs: Sequence[TrainingRun], work: Path
) -> None:
    """Train the adapters missing since the last report, and install the new sold adapter."""
    if (work / _REPORTED).exists():
        shutil.rmtree(work)
    industry = work / SOLD.name
    train_adapter(SOLD, base, work, industry, industry)
    for name in adapters.FILES:
        shutil.copyfile(industry / name, artefact / name)
    for run in extra_runs:
        train_adapter(run, base, work, work / run.name, industry)


def _evaluate_all(
    sold: Model,
    extra_runs: Sequence[TrainingRun],
    options: argparse.Namespace,
    gateway: Server,
    serving: Server,
) -> None:
    """Evaluate the sold model, its base and the extra adapters."""
    _evaluate(gateway, sold.id, sold.id)
    if not options.without_base:
        _evaluate(serving, sold.engine_id, quality.BASE, "--shots", "5")
    for run in extra_runs:
        folder = options.work / run.name
        named = asyncio.run(_upload(serving.url, sold, folder))
        _evaluate(serving, named, run.name, *run.evaluate_arguments)


async def _upload(serving: str, sold: Model, folder: Path) -> str:
    async with aiohttp.ClientSession() as session:
        return await adapters.upload_adapter(session, serving, sold.id, sold.engine_id, folder)


def _evaluate(server: Server, model: str, name: str, *more: str) -> None:
    sys.stderr.write(f"{name}\n")
    measurements = ["--url", f"{server.url}/v1", "--key", server.api_key or "", "--model", model]
    command = [sys.executable, "-m", evaluate.__name__, *measurements, "--name", name, *more]
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
