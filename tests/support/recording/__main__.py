"""`python -m tests.support.recording`: record the responses of the real engine again.

Starts the engine and runs the tests that replay recordings, once, against it: each request that
they send is recorded with its answer. Files of test modules that are gone are removed.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.support.engine.process import EngineFolder, EngineProcess
from tests.support.recording.recordings import FOLDER, RECORD_FROM, REPLAYED


def main() -> int:
    for path in FOLDER.glob("*.json"):
        path.unlink()
    with tempfile.TemporaryDirectory(prefix="maas-serving-") as folder:
        engine = EngineProcess(EngineFolder(Path(folder)))
        try:
            url = EngineFolder(Path(folder)).wait_until_ready().url
            command = [sys.executable, "-m", "pytest", REPLAYED]
            return subprocess.run(command, env={**os.environ, RECORD_FROM: url}).returncode
        finally:
            engine.stop()


if __name__ == "__main__":
    sys.exit(main())
