"""`maas top`: a live view of a running gateway, from its metrics."""

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

from gateway.cli.output import Output
from gateway.cli.runner import command
from gateway.cli.top.prometheus import MetricsReading, parse_metrics
from gateway.cli.top.snapshot import TopSnapshot, build_snapshot
from gateway.cli.top.view import render_snapshot
from gateway.identity.links import connectable_host
from infra.clock import Clock
from infra.errors import AppError
from infra.settings import Settings

_TIMEOUT_S = 5.0
# The averaging window of rates and latencies, which smooths them.
_WINDOW_S = 60.0


class GatewayUnreachable(AppError):
    """The gateway's metrics cannot be read."""

    status = 503
    code = "gateway_away"


@command
def top(
    settings: Settings,
    output: Output,
    clock: Clock,
    url: Annotated[
        str | None, typer.Option(help="URL of the gateway. Default: MAAS_HOST and MAAS_PORT.")
    ] = None,
    every: Annotated[
        float, typer.Option(min=0.2, max=60, help="Refresh interval in seconds.")
    ] = 2.0,
    once: Annotated[bool, typer.Option("--once", help="Print one snapshot and exit.")] = False,
) -> None:
    """Monitor a running gateway.

    Shows traffic, latency, spend, models, errors and jobs until you press Ctrl-C.
    """
    base_url = (url or f"http://{connectable_host(settings.host)}:{settings.port}").rstrip("/")
    snapshots = _snapshots(settings, clock, base_url, every)
    if output.is_json:
        for snapshot in snapshots:
            _print_json(snapshot)
            if once:
                return
    elif once:
        output.render(render_snapshot(next(snapshots), base_url))
    else:
        _watch(snapshots, base_url)


def _watch(snapshots: Iterator[TopSnapshot], base_url: str) -> None:
    """Show snapshots full-screen until Ctrl-C."""
    first = next(snapshots)
    try:
        with Live(
            render_snapshot(first, base_url), console=Console(), screen=True, auto_refresh=False
        ) as live:
            for snapshot in snapshots:
                live.update(render_snapshot(snapshot, base_url), refresh=True)
    except KeyboardInterrupt:
        return


def _snapshots(
    settings: Settings, clock: Clock, base_url: str, interval_s: float
) -> Iterator[TopSnapshot]:
    """Yield a snapshot after each interval. Raises GatewayUnreachable."""
    token = settings.metrics_token
    headers = {} if token is None else {"authorization": f"Bearer {token.get_secret_value()}"}
    with httpx.Client(base_url=base_url, timeout=_TIMEOUT_S) as http:
        readings = deque([_read_metrics(http, headers, base_url, clock)])
        while True:
            time.sleep(interval_s)
            readings.append(_read_metrics(http, headers, base_url, clock))
            while len(readings) > 2 and readings[-1].at - readings[1].at >= _WINDOW_S:
                readings.popleft()
            ready = _read_readiness(http, base_url)
            yield build_snapshot(readings[0], readings[-1], ready, clock.now().timestamp())


def _read_metrics(
    http: httpx.Client, headers: Mapping[str, str], base_url: str, clock: Clock
) -> MetricsReading:
    """Read the gateway's metrics. Raises GatewayUnreachable."""
    response = _get(http, "/metrics", base_url, headers)
    if response.status_code == 401:
        raise GatewayUnreachable(
            f"{base_url} requires a token for its metrics. Set MAAS_METRICS_TOKEN to the gateway's "
            "value."
        )
    try:
        response.raise_for_status()
        reading = parse_metrics(response.text, clock.monotonic())
    except (httpx.HTTPStatusError, ValueError):
        reading = MetricsReading(0.0, {})
    if "maas_calls_running" not in reading.samples:
        raise GatewayUnreachable(
            f"{base_url} is not a gateway: its /metrics has no gateway metrics. Check --url."
        )
    return reading


def _read_readiness(http: httpx.Client, base_url: str) -> Mapping[str, Any]:
    """Read /health/ready as JSON; empty if it is invalid."""
    try:
        readiness = _get(http, "/health/ready", base_url).json()
    except ValueError:
        return {}
    return readiness if isinstance(readiness, dict) else {}


def _get(
    http: httpx.Client, path: str, base_url: str, headers: Mapping[str, str] | None = None
) -> httpx.Response:
    """Send a GET request. Raises GatewayUnreachable."""
    try:
        return http.get(path, headers=headers)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        reason = type(error).__name__
        raise GatewayUnreachable(
            f"The gateway does not respond at {base_url} ({reason}). Check that it is running and "
            "that --url is correct."
        ) from None


def _print_json(snapshot: TopSnapshot) -> None:
    """Print a snapshot as one line of JSON."""
    typer.echo(json.dumps(asdict(snapshot), ensure_ascii=False))
