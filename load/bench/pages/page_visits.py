"""Visiting: somebody signs in and opens each kind of page, again and again.

Owns the requests and what is measured of them: milliseconds from the request to the answer's last
byte on one machine, and how large the answer is, compressed.
"""

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import httpx

from load.bench.pages.page_kinds import Unseen, kind

_LINK = re.compile(r'<a [^>]*href="([^"]+)"')


@dataclass(slots=True)
class Visited:
    """A kind of page: one address of it, its size and its times."""

    kind: str
    address: str
    compressed: int
    milliseconds: list[float] = field(default_factory=list)


def signed_in(url: str, email: str, password: str) -> httpx.Client:
    """A browser with a session."""
    headers = {"origin": url, "accept-encoding": "gzip"}
    client = httpx.Client(base_url=url, headers=headers, timeout=60)
    said = {"email": email, "password": password}
    client.post("/dashboard/sign-in", data=said)
    if "maas_session" not in client.cookies:
        raise RuntimeError(f"{email} could not sign in")
    return client


def visit(client: httpx.Client, rounds: int) -> Sequence[Visited]:
    """Each kind of page that links lead to, opened once before it is measured."""
    found = list(_walk(client))
    for _ in range(rounds):
        for one in found:
            began = time.perf_counter()
            client.get(one.address).raise_for_status()
            one.milliseconds.append((time.perf_counter() - began) * 1000)
    return found


def _walk(client: httpx.Client) -> Sequence[Visited]:
    unseen, found = Unseen(), list[Visited]()
    for address in unseen:
        answer = client.get(address, follow_redirects=True)
        answer.raise_for_status()
        final = answer.url.raw_path.decode()
        found.append(Visited(kind(final), final, int(answer.headers["content-length"])))
        unseen.add(one.replace("&amp;", "&") for one in _LINK.findall(answer.text))
    return found
