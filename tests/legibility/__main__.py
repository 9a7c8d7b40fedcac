"""Print a seeded sample of functions and modules, for a reader to judge at first sight.

python -m tests.legibility [--seed N] [--functions 60] [--modules 40]
"""

import argparse
import sys

from tests.legibility.sampling import draw


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.legibility", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--functions", type=int, default=60)
    parser.add_argument("--modules", type=int, default=40)
    options = parser.parse_args()
    sample = draw(options.seed, options.functions, options.modules)
    lines = [f"# Functions (seed {options.seed})", *sample.functions, "", "# Modules"]
    sys.stdout.write("\n".join([*lines, *sample.modules, ""]))


if __name__ == "__main__":
    main()
