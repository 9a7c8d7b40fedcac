"""Metrics: added up over several processes."""

import os
import subprocess
import sys
from pathlib import Path

_COUNT = """
from infra.metrics import declare_metrics
declare_metrics().calls.labels("chat", "m", "complete", "200").inc()
"""
_SHOW = """
import sys
from infra.metrics import declare_metrics
sys.stdout.write(declare_metrics().exposition()[0].decode())
"""


class TestSeveralProcesses:
    def test_counts_are_added_up(self, tmp_path: Path) -> None:
        environment = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
        for _ in range(3):
            subprocess.run([sys.executable, "-c", _COUNT], env=environment, check=True)
        shown = subprocess.run(
            [sys.executable, "-c", _SHOW], env=environment, check=True, capture_output=True
        ).stdout.decode()
        labels = 'model="m",operation="chat",settlement="complete",status="200"'
        assert f"maas_calls_total{{{labels}}} 3.0" in shown
