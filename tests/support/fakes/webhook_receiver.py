"""A customer's webhook receiver whose response statuses a test sets.

Owns what arrived, raw, and the statuses that the next posts are answered with.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web

from tests.support.fakes.listening import listening


@dataclass(frozen=True)
class Post:
    """One post, with header names in lower case."""

    headers: Mapping[str, str]
    body: bytes


@dataclass
class Hook:
    """The receiver's URL, its posts, and the next response statuses, by default 200."""

    url: str = ""
    posts: list[Post] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)

    async def take(self, request: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.posts.append(Post(headers, await request.read()))
        status = self.statuses.pop(0) if self.statuses else 200
        location = {"location": self.url} if status == 302 else {}
        return web.Response(status=status, headers=location)


@asynccontextmanager
async def run_hook() -> AsyncIterator[Hook]:
    """Serve until the block ends."""
    hook, app = Hook(), web.Application()
    app.router.add_post("/hook", hook.take)
    async with listening(app) as url:
        hook.url = f"{url}/hook"
        yield hook
