"""`python -m load.bench.gateways`: the cost of a call in this gateway and in others.

Measures plain calls, then streamed ones, then memory, each with newly started gateways. With
`--quick`, one short round of the gateways that have targets.
"""

import argparse
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

from load.bench.gateways.compiled import ferrogw_gateway, smg_router
from load.bench.gateways.installation import (
    FERROGW,
    LITELLM,
    PORTKEY,
    SMG,
    install_ferrogw,
    install_litellm,
    install_portkey,
    install_smg,
    nginx_version,
)
from load.bench.gateways.measurement import (
    MeasurementPlan,
    Results,
    measure_memory,
    require_complete_answer,
    run_rounds,
)
from load.bench.gateways.nginx import nginx_proxy, nginx_upstream
from load.bench.gateways.processes import (
    python_module,
    require_free,
    run_process,
    wait_for_port,
)
from load.bench.gateways.report import render_memory, render_tables
from load.bench.gateways.servers import (
    Gateway,
    Placement,
    bare_relay,
    litellm_proxy,
    maas_gateway,
    portkey_gateway,
)

_NAMES = ("bare", "maas", "ferrogw", "smg", "litellm", "portkey", "nginx")
_QUICK_NAMES = ("bare", "maas", "ferrogw", "smg")
# Below the kernel's range of ephemeral ports.
_UPSTREAM, _FIRST = 19000, 19001
_MEMORY_WARM_UP = 20_000

Starter = Callable[[Placement], AbstractContextManager[Gateway]]


def main() -> None:
    """Start the gateways, measure them, and print tables in Markdown."""
    options = _options()
    # SIGTERM must run the `finally` blocks that stop the processes.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    plan = MeasurementPlan(options.rounds, options.seconds, options.warm_up, options.connections)
    heading = _heading(plan)
    results: Results = {}
    with tempfile.TemporaryDirectory(prefix="maas-bench-") as folder:
        for mode in options.modes:
            place = Path(folder) / mode
            with _run_gateways(_starters(options, mode), mode, place) as gateways:
                run_rounds(gateways, mode == "streamed", plan, results)
        sys.stdout.write(heading + render_tables(results))
        if options.memory_calls:
            with _run_gateways([_maas_starter(1)], "plain", Path(folder) / "memory") as (gateway,):
                before, after = measure_memory(gateway, _MEMORY_WARM_UP, options.memory_calls)
            sys.stdout.write(render_memory(before, after, _MEMORY_WARM_UP, options.memory_calls))


def _starters(options: argparse.Namespace, mode: str) -> Sequence[Starter]:
    """Return the start function of each selected gateway, in the order of a round."""
    every: dict[str, Callable[[], Starter]] = {
        "bare": lambda: bare_relay,
        "maas": lambda: _maas_starter(1),
        "ferrogw": lambda: ferrogw_gateway(install_ferrogw(options.installs)),
        "smg": lambda: smg_router(install_smg(options.installs)),
        "litellm": lambda: litellm_proxy(install_litellm(options.installs)),
        "portkey": lambda: portkey_gateway(install_portkey(options.installs)),
        "nginx": lambda: nginx_proxy,
    }
    starters = [make() for name, make in every.items() if name in options.only]
    if mode == "plain" and "maas" in options.only and options.workers > 1:
        starters.append(_maas_starter(options.workers))
    return starters


def _maas_starter(workers: int) -> Starter:
    return lambda placement: maas_gateway(placement, workers)


@contextmanager
def _run_gateways(starters: Sequence[Starter], mode: str, folder: Path) -> Iterator[list[Gateway]]:
    """Run the gateways on one upstream; each has returned a complete answer."""
    for port in range(_UPSTREAM, _FIRST + len(starters)):
        require_free(port)
    with ExitStack() as stack:
        stack.enter_context(_run_upstream(mode, folder / "upstream"))
        gateways = []
        for number, start in enumerate(starters):
            placement = Placement(folder / str(number), _FIRST + number, _UPSTREAM)
            placement.folder.mkdir()
            gateway = stack.enter_context(start(placement))
            require_complete_answer(gateway, mode == "streamed")
            sys.stderr.write(f"{gateway.name} answers ({mode})\n")
            gateways.append(gateway)
        yield gateways


@contextmanager
def _run_upstream(mode: str, folder: Path) -> Iterator[None]:
    folder.mkdir(parents=True)
    if mode == "plain":
        with nginx_upstream(folder, _UPSTREAM):
            yield
        return
    command = python_module("load.bench.gateways.upstream", _UPSTREAM)
    with run_process(command, folder / "upstream.log") as child:
        wait_for_port(_UPSTREAM, child)
        yield


def _heading(plan: MeasurementPlan) -> str:
    return (
        f"{plan.rounds} rounds of {plan.seconds:g} s for each figure, after {plan.warm_up:g} s to "
        f"warm up; medians of the rounds. LiteLLM {LITELLM}, Portkey {PORTKEY}, ferrogw {FERROGW}, "
        f"smg {SMG}, {nginx_version()}.\n"
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m load.bench.gateways", description=__doc__)
    parser.add_argument("--only", type=_choices(_NAMES), default=_NAMES, help=",".join(_NAMES))
    parser.add_argument("--modes", type=_choices(("plain", "streamed")), default="plain,streamed")
    parser.add_argument(
        "--quick", action="store_true", help="by default one round of 3 s of the compiled gateways"
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=8.0, help="of each measurement")
    parser.add_argument("--warm-up", type=float, default=2.0, help="seconds before each")
    parser.add_argument("--connections", type=_parse_integers, default="16,256")
    parser.add_argument("--workers", type=int, default=2, help="a second maas; 1 leaves it out")
    parser.add_argument(
        "--memory-calls", type=int, default=0, help="calls after which memory is looked at again"
    )
    parser.add_argument(
        "--installs",
        type=lambda text: Path(text).expanduser(),
        default="~/.cache/maas-bench",
        help="where the other gateways are installed",
    )
    if parser.parse_known_args()[0].quick:
        parser.set_defaults(only=_QUICK_NAMES, rounds=1, seconds=3.0, warm_up=1.0)
    return parser.parse_args()


def _choices(allowed: Sequence[str]) -> Callable[[str], tuple[str, ...]]:
    """Return an argument parser for comma-separated names."""

    def parse(text: str) -> tuple[str, ...]:
        names = tuple(text.split(","))
        if not set(names) <= set(allowed):
            raise argparse.ArgumentTypeError(f"choose among {','.join(allowed)}")
        return names

    return parse


def _parse_integers(text: str) -> tuple[int, ...]:
    return tuple(int(number) for number in text.split(","))


if __name__ == "__main__":
    main()
