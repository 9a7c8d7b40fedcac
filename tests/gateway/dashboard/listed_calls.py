"""Reads the call list and the CSV file that it links to."""

import csv
import io
import re
from html import unescape

from tests.support.dashboard.looking import Looker

LIST = "/dashboard/usage/calls"


def codes(page: str) -> list[str]:
    """The error codes of the listed calls."""
    return re.findall(r"<code>(\w+)</code></a>", page)


async def file_of(who: Looker, page: str) -> list[dict[str, str]]:
    """Rows of the CSV file that a page links to."""
    link = re.search(r'href="(/dashboard/usage/calls/all\.csv[^"]*)"', page)
    assert link is not None
    answer = await who.http.get(unescape(link[1]))
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    return list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))
