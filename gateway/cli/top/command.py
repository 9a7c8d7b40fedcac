"""`maas top`: a gateway at this moment, again and again.

Owns the command's arguments, when the gateway is asked, and what is said where it does not answer.
"""

import json
import time
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Annotated, Any

import httpx
import typer
from rich.console import Console
from rich.live import Live

from gateway.cli.output import Terminal
from gateway.cli.runner import Json, tell
from gateway.cli.top.prometheus import Reading, read
from gateway.cli.top.snapshot import Top, look
from gateway.cli.top.view import view
from gateway.identity.links import reachable
from infra.clock import SystemClock
from infra.errors import AppError
from infra.settings import Settings

_PATIENCE_S = 5.0
# Rates and latencies are of about so long, so that they do not jump.
_WINDOW_S = 60.0


class GatewayAway(AppError):
    """The gateway's metrics cannot be read."""

    status = 503
    code = "gateway_away"


def top(
    url: Annotated[
        str | None, typer.Option(help="The gateway's address; else that of the settings.")
    ] = None,
    every: Annotated[float, typer.Option(min=0.2, max=60, help="Seconds between looks.")] = 2.0,
    once: Annotated[bool, typer.Option("--once", help="Look at one interval, and end.")] = False,
    as_json: Json = False,
) -> None:
    """Calls, tokens, latency, spend, models, errors and jobs of a running gateway."""

    def work(settings: Settings, terminal: Terminal) -> None:
        place = (url or f"http://{reachable(settings.host)}:{settings.port}").rstrip("/")
        looks = _looks(settings, place, every)
        if as_json:
            for seen in looks:
                _write(seen)
                if once:
                    return
        elif once:
            terminal.show(view(next(looks), place))
        else:
            _watch(looks, place)

    tell(as_json, work)


def _watch(looks: Iterator[Top], place: str) -> None:
    """On a screen of its own, until Ctrl-C."""
    first = next(looks)
    try:
        with Live(view(first, place), console=Console(), screen=True, auto_refresh=False) as live:
            for seen in looks:
                live.update(view(seen, place), refresh=True)
    except KeyboardInterrupt:
        return


def _looks(settings: Settings, place: str, every: float) -> Iterator[Top]:
    """One after the other; the first after one interval. Raises GatewayAway."""
    token, clock = settings.metrics_token, SystemClock()
    shown = {} if token is None else {"authorization": f"Bearer {token.get_secret_value()}"}
    with httpx.Client(base_url=place, timeout=_PATIENCE_S) as http:
        readings = deque([_read(http, shown, place, clock)])
        while True:
            time.sleep(every)
            readings.append(_read(http, shown, place, clock))
            while len(readings) > 2 and readings[-1].at - readings[1].at >= _WINDOW_S:
                readings.popleft()
            ready = _ready(http, place)
            yield look(readings[0], readings[-1], ready, clock.now().timestamp())


def _read(http: httpx.Client, shown: Mapping[str, str], place: str, clock: SystemClock) -> Reading:
    answer = _get(http, "/metrics", place, shown)
    if answer.status_code == 401:
        raise GatewayAway(f"{place} wants a token for its metrics: set MAAS_METRICS_TOKEN.")
    try:
        answer.raise_for_status()
        reading = read(answer.text, clock.monotonic())
    except (httpx.HTTPStatusError, ValueError):
        reading = Reading(0.0, {})
    if "maas_calls_running" not in reading.samples:
        raise GatewayAway(f"What answers on {place} is no gateway: it has no metrics of one.")
    return reading


def _ready(http: httpx.Client, place: str) -> Mapping[str, Any]:
    try:
        found = _get(http, "/health/ready", place).json()
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _get(
    http: httpx.Client, path: str, place: str, headers: Mapping[str, str] | None = None
) -> httpx.Response:
    try:
        return http.get(path, headers=headers)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        why = type(error).__name__
        raise GatewayAway(f"The gateway does not answer on {place} ({why}). Is it up?") from None


def _write(seen: Top) -> None:
    typer.echo(json.dumps(asdict(seen), ensure_ascii=False))
