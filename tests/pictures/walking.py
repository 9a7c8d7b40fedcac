"""Finding every page by its links, one of each kind, in a browser."""

from collections.abc import AsyncIterator

from playwright.async_api import Page

from load.bench.pages.page_kinds import PageQueue, kind

_LINKS = "() => [...document.querySelectorAll('a[href]')].map((one) => one.getAttribute('href'))"


async def walk(page: Page) -> AsyncIterator[str]:
    """The kind of each page, which is open then."""
    queue = PageQueue()
    for address in queue:
        await page.goto(address)
        yield kind(page.url)
        queue.add(await page.evaluate(_LINKS))
