"""A browser in which pages are looked at: what it shows, and what it complains of.

Owns opening one and judging a page by axe. Does not own which pages are looked at.
"""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, BrowserContext, Page

from tests.support.dashboard.looking import Looker

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
NEEDS_BROWSER = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium is installed"),
]
# How far what was shown moved while the page was loaded; a tenth is what is called good.
_SHIFT = """() => new Promise((done) => {
  let moved = 0;
  new PerformanceObserver((list) => {
    for (const one of list.getEntries()) moved += one.value;
  }).observe({ type: "layout-shift", buffered: true });
  setTimeout(() => done(moved), 100);
})"""


@dataclass
class Looked:
    """A page in a browser, and what the browser complained of."""

    page: Page
    url: str
    complaints: list[str] = field(default_factory=list)

    async def opens(self, address: str) -> None:
        await self.page.goto(self.url + address)

    async def until(self, holds: str) -> None:
        """Playwright's own waiting evaluates a text within the page: the policy refuses it."""
        for _ in range(200):
            if await self.page.evaluate(holds):
                return
            await self.page.wait_for_timeout(50)
        raise AssertionError(f"never: {holds}")

    async def faults(self) -> list[str]:
        """What is the matter with the page as it is: for screen readers, on a phone, at all."""
        found = await Axe().run(self.page)
        serious = [
            f"{one['id']}: {one['nodes'][0]['html'][:150]}"
            for one in found.response["violations"]
            if one["impact"] in ("serious", "critical")
        ]
        wide = await self.page.evaluate("document.documentElement.scrollWidth > innerWidth")
        moved = await self.page.evaluate(_SHIFT)
        return [
            *serious,
            *self.complaints,
            *(["wider than the screen"] if wide else []),
            *([f"moved by {moved}"] if moved > 0.05 else []),
        ]


@asynccontextmanager
async def looked(
    browser: Browser, url: str, look: tuple[str, str, int], who: Looker | None
) -> AsyncIterator[Looked]:
    """By somebody with a session, or by nobody."""
    locale, scheme, width = look
    wishes: dict[str, Any] = {"locale": locale, "color_scheme": scheme}
    context: BrowserContext = await browser.new_context(
        viewport={"width": width, "height": 900}, **wishes
    )
    if who is not None:
        token = who.http.cookies["maas_session"]
        cookie = {"name": "maas_session", "value": token, "url": url}
        await context.add_cookies([cookie])  # type: ignore[list-item]
    page = await context.new_page()
    page.set_default_timeout(30_000)
    seen = Looked(page, url)

    def complain(message: Any) -> None:
        # A page that says 404 does so in the console too.
        if message.type in ("error", "warning") and "status of 4" not in message.text:
            seen.complaints.append(message.text)

    page.on("console", complain)
    page.on("pageerror", lambda error: seen.complaints.append(str(error)))
    yield seen
    await context.close()
