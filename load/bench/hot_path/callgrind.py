"""Machine instructions by stage: a small C extension for callgrind, and its results."""

import importlib.util
import re
import subprocess
import sysconfig
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

from load.bench.hot_path.stages import STAGES

_SOURCE = Path(__file__).with_name("stage_counter.c")
_MODULE = "stage_counter"
_INCLUSIVE = re.compile(r"^\s*([\d,]+) \([^)]*\)\s+\S*:hot_stage_(\d+)\b", re.MULTILINE)
_TOTAL = re.compile(r"^\s*([\d,]+) \(100\.0%\)\s+PROGRAM TOTALS", re.MULTILINE)


def compile_counter(folder: Path) -> Path:
    """Compile the extension into a folder. Needs a C compiler and the headers of valgrind."""
    library = folder / f"{_MODULE}.so"
    include = sysconfig.get_paths()["include"]
    command = ["cc", "-O1", "-shared", "-fPIC", f"-I{include}", str(_SOURCE), "-o", str(library)]
    subprocess.run(command, check=True)
    return library


def load_counter(library: Path) -> ModuleType:
    """Load the compiled extension."""
    spec = importlib.util.spec_from_file_location(_MODULE, library)
    if spec is None or spec.loader is None:
        raise RuntimeError(f"{library} is no Python extension")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run_callgrind(
    program: list[str], environment: Mapping[str, str], folder: Path
) -> tuple[float, list[float]]:
    """Run a program under callgrind; returns all instructions, and those of each stage."""
    result = folder / "callgrind.out"
    options = ["--tool=callgrind", "--instr-atstart=no", "--collect-atstart=no", "--quiet"]
    command = ["valgrind", *options, f"--callgrind-out-file={result}", *program]
    subprocess.run(command, check=True, env=dict(environment))
    annotate = ["callgrind_annotate", "--inclusive=yes", "--threshold=100", str(result)]
    return parse_annotated(
        subprocess.run(annotate, check=True, capture_output=True, text=True).stdout
    )


def parse_annotated(text: str) -> tuple[float, list[float]]:
    """Parse the output of callgrind_annotate; a stage that did not run has 0 instructions."""
    total = _TOTAL.search(text)
    if total is None:
        raise RuntimeError("callgrind counted nothing")
    stages = [0.0] * len(STAGES)
    for count, number in _INCLUSIVE.findall(text):
        stages[int(number)] = _number(count)
    return _number(total[1]), stages


def _number(text: str) -> float:
    return float(text.replace(",", ""))
