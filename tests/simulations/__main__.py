"""`python -m tests.simulations`: compute the tables of load/RESULTS.md from a seed."""

import argparse
import os
import sys
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from itertools import product

from tests.simulations.designs import Weekly, settled, weekly
from tests.simulations.effects import Row, rows
from tests.simulations.errors import compare
from tests.simulations.machines import billed
from tests.simulations.plants import Cell

NOISES = tuple(product((0.1, 0.2), (0.3, 0.6)))
PARTS = ("effects", "weeks", "machines", "settlements", "errors")
REST = ("expected", "10 %: billed more", "expected", "billed of 10 %", "who knows the noise")
SLOW = Cell(0.1, 0.9, lasting=0.3)


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--plants", type=int, default=1000)
    asked.add_argument("--seed", type=int, default=1)
    asked.add_argument("--processes", type=int, default=os.cpu_count())
    asked.add_argument("parts", nargs="*", help=f"of {', '.join(PARTS)}; all unless given")
    options = asked.parse_args()
    tables = dict(zip(PARTS, (_effects, _weeks, _machines, _settlements, _errors), strict=True))
    began = time.monotonic()
    with ProcessPoolExecutor(options.processes) as pool:
        for part in options.parts or PARTS:
            tables[part](options.plants, options.seed, pool)
    _say(
        f"\n{options.plants} plants a cell, seed {options.seed}, {time.monotonic() - began:.0f} s."
    )


def _effects(plants: int, seed: int, pool: ProcessPoolExecutor) -> None:
    without = [*(Cell(cv, rho) for cv, rho in NOISES), SLOW]
    _table(("CV(RMSE)", "noise", "no effect: billed anything", "stated error", "true error"))
    for row in rows(without, plants, pool, seed):
        _line((*_named(row.cell), _share(row.billed), *_errors_of(row)))
    _say("")
    _table(("CV(RMSE)", "noise", "10 % saved: billed more", "billed of what was saved", "bound"))
    saving = [Cell(one.cv, one.rho, one.lasting, saving=0.1) for one in without]
    for row in rows(saving, plants, pool, seed):
        _line((*_named(row.cell), _share(row.too_much), _share(row.kept), _share(row.bound)))
    _say("")


def _weeks(plants: int, seed: int, pool: ProcessPoolExecutor) -> None:
    _table(("CV(RMSE)", "noise", "weeks: no effect", *REST))
    mapped = partial(pool.map, chunksize=25)
    for cell in (*(Cell(cv, rho) for cv, rho in NOISES), SLOW):
        without = weekly(cell, plants, mapped, seed)
        saving = weekly(replace(cell, saving=0.1), plants, mapped, seed)
        _line((*_named(cell), *_told(without, saving)))
    _say("")


def _machines(plants: int, seed: int, pool: ProcessPoolExecutor) -> None:
    _table(("machines", "CV(RMSE)", "noise", "no effect", *REST))
    mapped = partial(pool.map, chunksize=25)
    for count, (cv, rho) in product((4, 8), NOISES):
        cell = Cell(cv, rho)
        without = billed(cell, count, plants, mapped, seed)
        saving = billed(replace(cell, saving=0.1), count, plants, mapped, seed)
        _line((str(count), *_named(cell), *_told(without, saving)))
    _say("")


def _settlements(plants: int, seed: int, pool: ProcessPoolExecutor) -> None:
    _table(("CV(RMSE)", "noise", "12 settlements: billed in any, looks 1", "looks 12"))
    for cell in (Cell(0.1, 0.3), Cell(0.1, 0.6)):
        shares = settled(cell, plants // 4, partial(pool.map, chunksize=5), seed)
        _line((*_named(cell), *(_share(share) for share in shares)))
    _say("")


def _errors(plants: int, seed: int, pool: ProcessPoolExecutor) -> None:
    cells = [*(Cell(cv, rho) for cv, rho in NOISES), SLOW]
    found = [compare(one, plants, partial(pool.map, chunksize=25), seed) for one in cells]
    _table(("no effect: billed anything / of 10 %: billed", *(" ".join(_named(c)) for c in cells)))
    for name in found[0]:
        _line((name, *(" / ".join(_share(share) for share in one[name]) for one in found)))


def _told(without: Weekly, saving: Weekly) -> list[str]:
    """The cells after the first columns, formatted as in REST."""
    shares = (without.billed, without.expected, saving.too_much, saving.expected, saving.kept)
    return [_share(share) for share in (*shares, without.known)]


def _named(cell: Cell) -> tuple[str, str]:
    if cell.lasting == 1:
        return _share(cell.cv, 0), f"AR(1) {cell.rho}"
    return _share(cell.cv, 0), f"{_share(cell.lasting, 0)} AR(1) {cell.rho}, rest of the day"


def _errors_of(row: Row) -> tuple[str, str]:
    return _share(row.error, 2), _share(row.apart, 2)


def _share(share: float, digits: int = 1) -> str:
    return f"{100 * share:.{digits}f} %"


def _table(heads: Sequence[str]) -> None:
    _line(heads)
    _say("|" + "---|" * len(heads))


def _line(parts: Iterable[str]) -> None:
    _say(f"| {' | '.join(parts)} |")


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
