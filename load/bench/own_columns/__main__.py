"""`python -m load.bench.own_columns --key maas_…`: models of own columns of a running service.

Trains a small model of each kind as a job, and calls it with one row, next to a ready-made model.
The key's account pays for it and needs limits for some thousand calls; what was trained is deleted.
"""

import argparse
import asyncio
import sys
from collections.abc import Mapping, Sequence

import aiohttp

from load.bench.own_columns.examples import EXAMPLES
from load.bench.own_columns.report import CallTimes, render
from load.bench.own_columns.training import TrainedModel, delete, train
from load.bench.specialists.client import Row, SpecialistClient, example_row, metadata
from models.catalog import DEFAULT_PROFILE, load_catalog

_WARM_UP = 20


async def measure(url: str, key: str, calls: int, only: str = "") -> str:
    """Train and call each kind of model, or only the one with an id; return the table."""
    headers = {"authorization": f"Bearer {key}"}
    timeout = aiohttp.ClientTimeout(total=600)
    async with aiohttp.ClientSession(headers=headers, timeout=timeout) as session:
        client = SpecialistClient(session, url, {})
        trained: dict[str, TrainedModel] = {}
        try:
            for base, adapter in own_models(only).items():
                trained[base] = await train(session, url, base, EXAMPLES[adapter]())
            return await _compare(client, trained, calls)
        finally:
            for one in trained.values():
                await delete(session, url, one)


async def _compare(
    client: SpecialistClient, trained: Mapping[str, TrainedModel], calls: int
) -> str:
    """Call all models in turns, so that a busy machine slows all of them."""
    adapters, ready_made = own_models(), ready_made_model()
    rows: dict[str, tuple[str, Row]] = {
        ready_made: (ready_made, example_row(await metadata(client, ready_made)))
    }
    for base, one in trained.items():
        rows[base] = (one.model, EXAMPLES[adapters[base]]().row)
    took: dict[str, list[float]] = {name: [] for name in rows}
    for number in range(_WARM_UP + calls):
        for name, (model, row) in rows.items():
            seconds = await client.predict(model, [row])
            if number >= _WARM_UP:
                took[name].append(1000 * seconds)
    own = [CallTimes(base, one.seconds, took[base]) for base, one in trained.items()]
    return render(CallTimes(ready_made, None, took[ready_made]), own)


def own_models(only: str = "") -> Mapping[str, str]:
    """Return the models of own columns that have an example, with their adapters.

    `only` is the id of one of them.
    """
    models = load_catalog(DEFAULT_PROFILE).models.values()
    return {
        one.id: one.adapter
        for one in models
        if one.adapter is not None and one.adapter in EXAMPLES and only in ("", one.id)
    }


def ready_made_model() -> str:
    """Return the first ready-made classifier of rows in the catalog."""
    models = load_catalog(DEFAULT_PROFILE).models.values()
    return next(
        one.id for one in models if one.task == "classification" and one.weights.kind == "artefact"
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print a table in Markdown."""
    parser = argparse.ArgumentParser(prog="python -m load.bench.own_columns")
    parser.add_argument("--url", default="http://127.0.0.1:8080")
    parser.add_argument("--key", required=True)
    parser.add_argument("--calls", type=int, default=300)
    parser.add_argument("--only", default="", choices=["", *own_models()], help="one model's id")
    options = parser.parse_args(arguments)
    table = asyncio.run(measure(options.url, options.key, options.calls, options.only))
    sys.stdout.write(table)


if __name__ == "__main__":
    main()
