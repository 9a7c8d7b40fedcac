"""Metrics aggregated over several processes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.usefixtures("processes")

# `process(work)` runs the work in a child process and returns after its end.
_BEGIN = """
import os, sys
from infra.telemetry.metrics import declare_metrics

def count(metrics):
    metrics.calls.labels("chat", "m", "complete", "200").inc()

def fail(metrics):
    metrics.platform_gauges.models_up.labels("m").set(0)
    metrics.running.set(3)

def recover(metrics):
    metrics.platform_gauges.models_up.labels("m").set(1)
    metrics.running.set(2)

def process(work):
    if os.fork() == 0:
        work(declare_metrics())
        os._exit(0)
    assert os.wait()[1] == 0

"""
_SHOW = """
sys.stdout.write(metrics.exposition()[0].decode())
"""


def shown(folder: Path, done: str) -> str:
    """The exposition of a process after running the code."""
    environment = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(folder)}
    command = [sys.executable, "-c", _BEGIN + done + _SHOW]
    return subprocess.run(
        command, env=environment, check=True, capture_output=True, text=True
    ).stdout


class TestMultiProcessMetrics:
    def test_gauges_of_an_ended_process_are_dropped(self, tmp_path: Path) -> None:
        done = "process(fail); process(count); metrics = declare_metrics(); recover(metrics)"
        exposed = shown(tmp_path, done)
        assert 'maas_model_up{model="m"} 1.0' in exposed
        assert "maas_calls_running 2.0" in exposed
        assert 'status="200"} 1.0' in exposed

    def test_counters_of_processes_are_summed(self, tmp_path: Path) -> None:
        done = "[process(count) for _ in range(3)]; metrics = declare_metrics()"
        labels = 'model="m",operation="chat",settlement="complete",status="200"'
        assert f"maas_calls_total{{{labels}}} 3.0" in shown(tmp_path, done)
