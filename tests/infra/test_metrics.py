"""Metrics: added up over several processes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.usefixtures("processes")

_COUNT = """
from infra.metrics import declare_metrics
declare_metrics().calls.labels("chat", "m", "complete", "200").inc()
"""
_SHOW = """
import sys
from infra.metrics import declare_metrics
sys.stdout.write(declare_metrics().exposition()[0].decode())
"""


_FAIL_AND_END = """
from infra.metrics import declare_metrics
metrics = declare_metrics()
metrics.standing.models_up.labels("m").set(0)
metrics.running.set(3)
"""
_SHOW_BESIDE = """
import sys
from infra.metrics import declare_metrics
metrics = declare_metrics()
metrics.standing.models_up.labels("m").set(1)
metrics.running.set(2)
sys.stdout.write(metrics.exposition()[0].decode())
"""


class TestSeveralProcesses:
    def test_what_a_process_said_of_the_moment_ends_with_it(self, tmp_path: Path) -> None:
        environment = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
        for code in (_FAIL_AND_END, _COUNT):
            subprocess.run([sys.executable, "-c", code], env=environment, check=True)
        shown = subprocess.run(
            [sys.executable, "-c", _SHOW_BESIDE], env=environment, check=True, capture_output=True
        ).stdout.decode()
        assert 'maas_model_up{model="m"} 1.0' in shown
        assert "maas_calls_running 2.0" in shown
        assert 'status="200"} 1.0' in shown

    def test_counts_are_added_up(self, tmp_path: Path) -> None:
        environment = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
        for _ in range(3):
            subprocess.run([sys.executable, "-c", _COUNT], env=environment, check=True)
        shown = subprocess.run(
            [sys.executable, "-c", _SHOW], env=environment, check=True, capture_output=True
        ).stdout.decode()
        labels = 'model="m",operation="chat",settlement="complete",status="200"'
        assert f"maas_calls_total{{{labels}}} 3.0" in shown
