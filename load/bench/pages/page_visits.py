"""Open each kind of page repeatedly as a signed-in person: latency and compressed size."""

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import httpx

from load.bench.pages.page_kinds import PageQueue, kind

_LINK = re.compile(r'<a [^>]*href="([^"]+)"')


@dataclass(slots=True)
class PageVisit:
    """A kind of page: one address, its compressed size and its latencies."""

    kind: str
    address: str
    compressed: int
    milliseconds: list[float] = field(default_factory=list)


def sign_in(url: str, email: str, password: str) -> httpx.Client:
    """Return an HTTP client with a session. Raises RuntimeError."""
    headers = {"origin": url, "accept-encoding": "gzip"}
    client = httpx.Client(base_url=url, headers=headers, timeout=60)
    fields = {"email": email, "password": password}
    client.post("/dashboard/sign-in", data=fields)
    if "maas_session" not in client.cookies:
        raise RuntimeError(f"{email} could not sign in")
    return client


def measure_pages(client: httpx.Client, rounds: int) -> Sequence[PageVisit]:
    """Measure each kind of page that links lead to, after opening it once."""
    found = list(_discover_pages(client))
    for _ in range(rounds):
        for one in found:
            began = time.perf_counter()
            client.get(one.address).raise_for_status()
            one.milliseconds.append((time.perf_counter() - began) * 1000)
    return found


def _discover_pages(client: httpx.Client) -> Sequence[PageVisit]:
    """Follow links and return one page of each kind."""
    queue, found = PageQueue(), list[PageVisit]()
    for address in queue:
        answer = client.get(address, follow_redirects=True)
        answer.raise_for_status()
        final = answer.url.raw_path.decode()
        found.append(PageVisit(kind(final), final, int(answer.headers["content-length"])))
        queue.add(one.replace("&amp;", "&") for one in _LINK.findall(answer.text))
    return found
