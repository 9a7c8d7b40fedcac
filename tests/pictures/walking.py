"""Finding every page by its links, one of each kind, in a browser.

Owns the walk. Does not own what is of one kind (load/bench/pages/kinds.py).
"""

from collections import deque
from collections.abc import AsyncIterator

from playwright.async_api import Page

from load.bench.pages.kinds import HOME, kind, pages

_LINKS = "() => [...document.querySelectorAll('a[href]')].map((one) => one.getAttribute('href'))"


async def walk(page: Page) -> AsyncIterator[str]:
    """The kind of each page, which is open then."""
    waiting, known = deque([HOME]), {kind(HOME)}
    while waiting:
        await page.goto(waiting.popleft())
        yield kind(page.url)
        for name, address in pages(await page.evaluate(_LINKS)):
            if name not in known:
                known.add(name)
                waiting.append(address)
