"""`make industrial-llm`: train the adapter again, serve it, evaluate it and print the results.

    python -m load.bench.industrial_llm [--only-measure] [--sold-alone]

The sold model is called through the gateway, at the serving address a customer's layer on it and
the adapters that were trained without a part of the data. Those are merged into the base like the
sold one, so each is converted and served by itself. Training takes two hours on two cores and 16 GB
of memory for the sold adapter, and as long for the others; nothing is served meanwhile. An
interrupted run is resumed; after the table is printed, the next run starts anew.
"""

import argparse
import asyncio
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from types import MappingProxyType

import aiohttp

from load.bench.industrial_llm import adapters, quality
from load.bench.industrial_llm.training import (
    EXTRA_RUNS,
    SOLD,
    WITH_FMC,
    TrainingRun,
    obtain_folder,
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
    sold = next(model for model in texts if model.weights.adapter is not None)
    extra_runs = () if options.sold_alone else EXTRA_RUNS
    artefact = CATALOG_FILE.parent / str(sold.weights.adapter)
    if not options.only_measure:
        _train_missing(sold, artefact, extra_runs, options)
    with _service(options) as (gateway, serving):
        _evaluate(gateway, sold.id, sold.id)
        for run in extra_runs:
            if run.starts_from_industry:
                named = asyncio.run(_upload(serving.url, sold, options.work / run.name))
                _evaluate(serving, named, run.name, *run.evaluate_arguments)
        layer = options.work / WITH_FMC.name
        speed = (
            asyncio.run(adapters.measure_speed(serving.url, sold.id, layer, options.rounds))
            if layer.is_dir()
            else None
        )
    for run in extra_runs:
        if not run.starts_from_industry:
            _evaluate_merged(sold, run, options)
    lines = [*quality.render_table(sold.id), "", "| what | figure | bar |", "|---|---|---|"]
    rows = [] if speed is None else adapters.render_rows(speed)
    sys.stdout.write("\n".join([*lines, *rows]) + "\n")
    if not options.only_measure:
        (options.work / _REPORTED).touch()


def _train_missing(
    sold: Model, artefact: Path, extra_runs: Sequence[TrainingRun], options: argparse.Namespace
) -> None:
    """Train the adapters missing since the last report, and install the new sold adapter."""
    work = options.work
    if (work / _REPORTED).exists():
        shutil.rmtree(work)
    base = obtain_folder(sold.id, options.weights, "--for-training")
    industry = work / SOLD.name
    train_adapter(SOLD, base, work, industry)
    artefact.mkdir(exist_ok=True)
    for name in adapters.FILES:
        shutil.copyfile(industry / name, artefact / name)
    for run in extra_runs:
        merged = obtain_folder(sold.id, options.weights) if run.starts_from_industry else base
        train_adapter(run, merged, work, work / run.name)


@contextmanager
def _service(
    options: argparse.Namespace, settings: Mapping[str, str] = MappingProxyType({})
) -> Iterator[tuple[Server, Server]]:
    """Run the service with a new database and the kept weights; without limits."""
    with tempfile.TemporaryDirectory(prefix="maas-bench-") as folder:
        data_dir = Path(folder)
        link_weights(data_dir, options.weights / "weights")
        with run_maas(data_dir, settings) as servers:
            lift_limits(data_dir)
            yield servers


def _evaluate_merged(sold: Model, run: TrainingRun, options: argparse.Namespace) -> None:
    """Evaluate an adapter that is merged into the base in place of the sold one."""
    catalog = options.work / f"{run.name}.toml"
    catalog.write_text(render_override(sold, (options.work / run.name).resolve()))
    with _service(options, {"MAAS_CATALOG": str(catalog.resolve())}) as (_, serving):
        _evaluate(serving, sold.id, run.name, *run.evaluate_arguments)


def render_override(sold: Model, adapter: Path) -> str:
    """Return the catalog file that merges another adapter into the sold model's base."""
    weights = {
        field.name: value
        for field in fields(sold.weights)
        if (value := getattr(sold.weights, field.name)) is not None
    }
    lines = [
        f"{name} = {json.dumps(value)}" for name, value in weights.items() if name != "adapter"
    ]
    head = ["[[model]]", f"id = {json.dumps(sold.id)}", f"profiles = {json.dumps(sold.profiles)}"]
    return "\n".join(
        [*head, "[model.weights]", *lines, f"adapter = {json.dumps(str(adapter))}", ""]
    )


async def _upload(serving: str, sold: Model, folder: Path) -> str:
    async with aiohttp.ClientSession() as session:
        return await adapters.upload_adapter(session, serving, sold.id, folder)


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
    add("--weights", type=Path, default=Path("build"), help="where converted weights are kept")
    add("--work", type=Path, default=_WORK, help="adapters that are measured only")
    add("--rounds", type=int, default=5)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
