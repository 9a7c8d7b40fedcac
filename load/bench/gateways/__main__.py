"""`python -m load.bench.gateways`: what a call costs in our gateway and in others.

Owns the options and the order of the run: first the plain calls, then the streamed ones, then the
memory, each with gateways freshly started in front of the upstream of that kind.
"""

import argparse
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

from load.bench.gateways.installation import LITELLM, PORTKEY, litellm, nginx, portkey
from load.bench.gateways.measurement import Plan, Results, memory, require_whole, take_turns
from load.bench.gateways.nginx import nginx_answers, nginx_proxy
from load.bench.gateways.processes import (
    python_module,
    require_free,
    running,
    wait_for_port,
)
from load.bench.gateways.report import memory_line, tables
from load.bench.gateways.servers import (
    Gateway,
    Site,
    bare_relay,
    litellm_proxy,
    maas,
    portkey_gateway,
)

_NAMES = ("bare", "maas", "litellm", "portkey", "nginx")
# Below the range from which the kernel takes the ports of outgoing connections.
_UPSTREAM, _FIRST = 19000, 19001
_MEMORY_WARM_UP = 20_000

Starter = Callable[[Site], AbstractContextManager[Gateway]]


def main() -> None:
    """Start, measure, print tables in Markdown."""
    options = _options()
    # So that what was started is stopped again, however this run is told to end.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    plan = Plan(options.rounds, options.seconds, options.warm_up, options.connections)
    heading = _heading(plan)
    results: Results = {}
    with tempfile.TemporaryDirectory(prefix="maas-bench-") as folder:
        for mode in options.modes:
            place = Path(folder) / mode
            with _started(_starters(options, mode), mode, place) as gateways:
                take_turns(gateways, mode == "streamed", plan, results)
        sys.stdout.write(heading + tables(results))
        if options.memory_calls:
            with _started([_maas(1)], "plain", Path(folder) / "memory") as (gateway,):
                before, after = memory(gateway, _MEMORY_WARM_UP, options.memory_calls)
            sys.stdout.write(memory_line(before, after, _MEMORY_WARM_UP, options.memory_calls))


def _starters(options: argparse.Namespace, mode: str) -> Sequence[Starter]:
    """How each gateway that takes part is started, in the order of a round."""
    every: dict[str, Callable[[], Starter]] = {
        "bare": lambda: bare_relay,
        "maas": lambda: _maas(1),
        "litellm": lambda: litellm_proxy(litellm(options.installs)),
        "portkey": lambda: portkey_gateway(portkey(options.installs)),
        "nginx": lambda: nginx_proxy,
    }
    starters = [make() for name, make in every.items() if name in options.only]
    if mode == "plain" and "maas" in options.only and options.workers > 1:
        starters.append(_maas(options.workers))
    return starters


def _maas(workers: int) -> Starter:
    return lambda site: maas(site, workers)


@contextmanager
def _started(starters: Sequence[Starter], mode: str, folder: Path) -> Iterator[list[Gateway]]:
    """The gateways, all in front of one upstream, each of which gave a whole answer."""
    for port in range(_UPSTREAM, _FIRST + len(starters)):
        require_free(port)
    with ExitStack() as stack:
        stack.enter_context(_upstream(mode, folder / "upstream"))
        gateways = []
        for number, start in enumerate(starters):
            site = Site(folder / str(number), _FIRST + number, _UPSTREAM)
            site.folder.mkdir()
            gateway = stack.enter_context(start(site))
            require_whole(gateway, mode == "streamed")
            sys.stderr.write(f"{gateway.name} answers ({mode})\n")
            gateways.append(gateway)
        yield gateways


@contextmanager
def _upstream(mode: str, folder: Path) -> Iterator[None]:
    folder.mkdir(parents=True)
    if mode == "plain":
        with nginx_answers(folder, _UPSTREAM):
            yield
        return
    command = python_module("load.bench.gateways.upstream", _UPSTREAM)
    with running(command, folder / "upstream.log") as child:
        wait_for_port(_UPSTREAM, child)
        yield


def _heading(plan: Plan) -> str:
    return (
        f"{plan.rounds} rounds of {plan.seconds:g} s for each figure, after {plan.warm_up:g} s to "
        f"warm up; medians of the rounds. LiteLLM {LITELLM}, Portkey {PORTKEY}, {nginx()}.\n"
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m load.bench.gateways", description=__doc__)
    parser.add_argument("--only", type=_among(_NAMES), default=_NAMES, help=",".join(_NAMES))
    parser.add_argument("--modes", type=_among(("plain", "streamed")), default="plain,streamed")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=8.0, help="of each measurement")
    parser.add_argument("--warm-up", type=float, default=2.0, help="seconds before each")
    parser.add_argument("--connections", type=_numbers, default="16,256")
    parser.add_argument("--workers", type=int, default=2, help="a second maas; 1 leaves it out")
    parser.add_argument(
        "--memory-calls", type=int, default=0, help="calls after which memory is looked at again"
    )
    parser.add_argument(
        "--installs",
        type=lambda text: Path(text).expanduser(),
        default="~/.cache/maas-bench",
        help="where LiteLLM and Portkey are installed",
    )
    return parser.parse_args()


def _among(allowed: Sequence[str]) -> Callable[[str], tuple[str, ...]]:
    def parse(text: str) -> tuple[str, ...]:
        names = tuple(text.split(","))
        if not set(names) <= set(allowed):
            raise argparse.ArgumentTypeError(f"choose among {','.join(allowed)}")
        return names

    return parse


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(number) for number in text.split(","))


if __name__ == "__main__":
    main()
