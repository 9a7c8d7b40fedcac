"""What the processes of a test run learn of the engine from its folder."""

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


def test_nobody_wanted_one(folder: EngineFolder) -> None:
    assert not folder.wanted
    assert folder.started is None
    with pytest.raises(AssertionError, match="no engine was started"):
        folder.wait_until_ready()
    folder.want(25)
    assert folder.wanted == 25


def test_it_is_ready_and_has_the_priority_of_tests(folder: EngineFolder) -> None:
    command = [sys.executable, "-c", "import os; print(os.nice(19), flush=True); input()"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        engine = started(folder, child.pid, "not JSON", READY, "more")
        assert folder.wait_until_ready() == engine
        if os.geteuid() == 0:
            assert os.getpriority(os.PRIO_PROCESS, child.pid) == 0
        child.communicate(b"\n")


def test_one_that_ended_tells_why(folder: EngineFolder) -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    started(folder, child.pid, '{"stage": "failed", "message": "Port 1 cannot be used."}')
    with pytest.raises(RuntimeError, match="Port 1 cannot be used"):
        folder.wait_until_ready()
    raise_priority(child.pid)
