"""`make bench`: text generation through the gateway, compared with Ray Serve and the bare engine.

Servers take turns within each round, so that a slower machine affects all of them; the result is
the ratio within a round.
"""

import argparse
import asyncio
import statistics
import sys
import tempfile
import uuid
from collections.abc import Sequence
from pathlib import Path

from load.bench.servers import bare_engine, run_maas
from load.bench.streamed_calls import TOKENS, Server, first_token_latency, throughput
from load.deployment.service import link_weights


def main() -> None:
    """Start the servers, measure them, and print a table in Markdown."""
    options = _options()
    with tempfile.TemporaryDirectory(prefix="maas-bench-") as folder:
        data_dir = Path(folder)
        if options.weights_from:
            link_weights(data_dir, Path(options.weights_from))
        with run_maas(data_dir) as (gateway, serve):
            weights = next((data_dir / "weights").glob("*/model.safetensors")).parent
            with bare_engine(weights, options.engine_arguments) as bare:
                sys.stdout.write(asyncio.run(_measure([gateway, serve, bare], options)))


async def _measure(servers: Sequence[Server], options: argparse.Namespace) -> str:
    """Measure throughput and time to first token of each server and return the report."""
    salt = uuid.uuid4().hex[:8]
    for server in servers:
        await throughput(server, 8, 8, f"{salt}-warm-{server.name}")
    rates: dict[str, list[float]] = {server.name: [] for server in servers}
    delays: dict[str, list[float]] = {server.name: [] for server in servers}
    for turn in range(options.rounds):
        order = servers[turn % 3 :] + servers[: turn % 3]  # type: ignore[operator]
        for server in order:
            tag = f"{salt}-{turn}-{server.name}"
            rates[server.name].append(
                await throughput(server, options.calls, options.concurrency, tag)
            )
    for turn in range(options.first_tokens):
        for server in servers:
            delays[server.name].append(
                await first_token_latency(server, f"{salt}-f{server.name}", turn)
            )
    return _render_table(rates, delays, options)


def _render_table(
    rates: dict[str, list[float]], delays: dict[str, list[float]], options: argparse.Namespace
) -> str:
    lines = [
        f"Streams of {TOKENS} tokens, {options.concurrency} at a time, {options.calls} calls a "
        f"round, {options.rounds} rounds; first token alone, {options.first_tokens} calls.",
        "",
        "| server | tokens/s, median (min to max) | first token, median ms |",
        "|---|---|---|",
    ]
    for name, values in rates.items():
        spread = f"{min(values):.1f} to {max(values):.1f}"
        delay = 1000 * statistics.median(delays[name])
        lines.append(f"| {name} | {statistics.median(values):.1f} ({spread}) | {delay:.1f} |")
    lines += ["", "| ratio within a round | median | bar |", "|---|---|---|"]
    for other, bar in (("Ray Serve", 0.97), ("bare vLLM", 0.93)):
        ratios = [a / b for a, b in zip(rates["gateway"], rates[other], strict=True)]
        lines.append(f"| gateway / {other} | {statistics.median(ratios):.3f} | {bar} |")
    added = [1000 * (a - b) for a, b in zip(delays["gateway"], delays["Ray Serve"], strict=True)]
    lines.append(f"| first token, gateway − Ray Serve, ms | {statistics.median(added):.2f} | 5 |")
    return "\n".join(lines) + "\n"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m load.bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--calls", type=int, default=24)
    parser.add_argument("--concurrency", type=int, default=8)
    parser.add_argument("--first-tokens", type=int, default=25)
    parser.add_argument("--weights-from", help="a weights folder of an earlier run, to save time")
    parser.add_argument(
        "--engine-arguments",
        nargs="*",
        default=[
            *("--dtype", "bfloat16", "--max-model-len", "4096", "--max-num-seqs", "16"),
            *("--enforce-eager", "--enable-prompt-tokens-details"),
        ],
        help="what the bare engine gets, as in the catalog",
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
