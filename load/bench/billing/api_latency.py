"""Latency of a customer's usage and invoice endpoints with ten million usage rows."""

import os
import statistics
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

_PORT = 18095
_OCTOBER, _NOVEMBER = 1_790_784_000, 1_793_462_400
_ENDPOINTS = {
    "the newest calls (/v1/usage)": "/v1/usage?limit=50",
    "month by day (/v1/organization/usage/completions)": (
        "/v1/organization/usage/completions"
        f"?start_time={_OCTOBER}&end_time={_NOVEMBER}&bucket_width=1d&limit=31&group_by=model"
    ),
    "month's costs (/v1/organization/costs)": (
        f"/v1/organization/costs?start_time={_OCTOBER}&end_time={_NOVEMBER}&limit=31"
    ),
    "running month (/v1/invoices/preview)": "/v1/invoices/preview",
    "invoices (/v1/invoices)": "/v1/invoices",
}


def measure_endpoints(
    environment: Mapping[str, str], keys: Sequence[str], rounds: int
) -> dict[str, list[float]]:
    """Return the milliseconds of each endpoint over all keys and rounds, on one gateway process."""
    with gateway(environment) as url:
        found: dict[str, list[float]] = {name: [] for name in _ENDPOINTS}
        for turn in range(rounds + 1):
            for key in keys:
                for name, path in _ENDPOINTS.items():
                    taken = _timed_get(f"{url}{path}", key)
                    if turn:  # the first round warms up connections and key caches
                        found[name].append(taken * 1000)
        return found


def p95(values: Sequence[float]) -> float:
    """Return the 95th percentile."""
    return statistics.quantiles(values, n=20)[18]


@contextmanager
def gateway(environment: Mapping[str, str]) -> Iterator[str]:
    """Run one gateway process; yields its URL."""
    child = subprocess.Popen(
        [sys.executable, "-m", "gateway"],
        env={**environment, "MAAS_PORT": str(_PORT), "MAAS_SERVING_URL": "http://127.0.0.1:9"},
        stderr=None if os.environ.get("DEBUG_BENCH") else subprocess.DEVNULL,
        process_group=0,
    )
    url = f"http://127.0.0.1:{_PORT}"
    try:
        _wait(url, child)
        yield url
    finally:
        child.terminate()
        child.wait(60)


def _wait(url: str, child: subprocess.Popen[bytes]) -> None:
    for _ in range(300):
        if child.poll() is not None:
            raise RuntimeError("the gateway ended")
        try:
            with urllib.request.urlopen(f"{url}/health/live", timeout=1):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise RuntimeError("the gateway does not answer")


def _timed_get(url: str, key: str) -> float:
    """Return the seconds of a GET request. Raises RuntimeError if it fails."""
    request = urllib.request.Request(url, headers={"authorization": f"Bearer {key}"})
    began = time.perf_counter()
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            answer.read()
    except urllib.error.HTTPError as error:
        raise RuntimeError(f"{url}: {error.code} {error.read().decode()}") from error
    return time.perf_counter() - began
