"""Run every attack of this package, each in its own process, and print a table of the results."""

import pkgutil
import subprocess
import sys
import time
from pathlib import Path

_FOLDER = Path(__file__).parent


def main() -> int:
    names = [found.name for found in pkgutil.iter_modules([str(_FOLDER)]) if not found.ispkg]
    results = [_run(name) for name in names if not name.startswith("_")]
    sys.stdout.write("\n| attack | result | seconds |\n|---|---|---|\n")
    for name, code, seconds in results:
        sys.stdout.write(f"| {name} | {'defended' if code == 0 else 'FAILED'} | {seconds:.0f} |\n")
    return 1 if any(code for _, code, _ in results) else 0


def _run(name: str) -> tuple[str, int, float]:
    sys.stdout.write(f"\n== {name}\n")
    sys.stdout.flush()
    begun = time.perf_counter()
    code = subprocess.call([sys.executable, "-m", f"{__package__}.{name}"])
    return name, code, time.perf_counter() - begun


if __name__ == "__main__":
    sys.exit(main())
