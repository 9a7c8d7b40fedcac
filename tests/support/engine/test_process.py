"""The folder in which processes of a test run find the shared engine."""

import json
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest

from tests.support.engine.process import EngineFolder, Started, raise_priority

pytestmark = pytest.mark.usefixtures("processes")

READY = '{"stage": "ready", "message": "Serving"}'


@pytest.fixture
def folder(tmp_path: Path) -> EngineFolder:
    return EngineFolder(tmp_path)


def started(folder: EngineFolder, pid: int, *said: str) -> Started:
    engine = Started(pid, "http://127.0.0.1:1", None)
    (folder.path / "engine.json").write_text(json.dumps(asdict(engine)))
    (folder.path / "output").write_text("".join(f"{line}\n" for line in said))
    return engine


def test_engine_folder_without_demand_has_no_engine(folder: EngineFolder) -> None:
    assert not folder.wanted
    assert folder.started is None
    with pytest.raises(AssertionError, match="no engine was started"):
        folder.wait_until_ready()
    folder.want(25)
    assert folder.wanted == 25


def test_ready_engine_has_the_priority_of_the_tests(folder: EngineFolder) -> None:
    command = [sys.executable, "-c", "import os; print(os.nice(19), flush=True); input()"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        engine = started(folder, child.pid, "not JSON", READY, "more")
        assert folder.wait_until_ready() == engine
        if os.geteuid() == 0:
            assert os.getpriority(os.PRIO_PROCESS, child.pid) == 0
        child.communicate(b"\n")


def test_failed_engine_raises_its_message(folder: EngineFolder) -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    started(folder, child.pid, '{"stage": "failed", "message": "Port 1 cannot be used."}')
    with pytest.raises(RuntimeError, match="Port 1 cannot be used"):
        folder.wait_until_ready()
    raise_priority(child.pid)
