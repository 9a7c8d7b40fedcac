"""A browser for dashboard tests: page contents, console errors and accessibility faults."""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from playwright.async_api import Browser, BrowserContext, Page

from tests.support.dashboard.looking import Looker

# The first that is installed. The shell is Chromium without its own windows, menus and extensions:
# the same pages take half the processor time.
_CHROMIUMS = ("chromium-headless-shell", "chromium", "chromium-browser")
CHROMIUM = next(filter(None, map(shutil.which, _CHROMIUMS)), None)
NEEDS_BROWSER = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium is installed"),
]
_HEIGHT = 900
# What axe finds by its rules whose violations are serious or critical; the other rules, whose
# violations nobody asked about here, are not run. None of these rules reads what is preloaded.
_SERIOUS = """async () => {
  const grave = ["serious", "critical"];
  const others = axe._audit.rules.filter((one) => one.impact && !grave.includes(one.impact));
  const rules = Object.fromEntries(others.map((one) => [one.id, { enabled: false }]));
  const found = await axe.run({ resultTypes: ["violations"], rules, preload: false });
  return found.violations
    .filter((one) => grave.includes(one.impact))
    .map((one) => `${one.id}: ${one.nodes[0].html.slice(0, 150)}`);
}"""
_LOW_CONTRAST = """async () => {
  const options = { runOnly: ["color-contrast"], resultTypes: ["violations"], preload: false };
  const found = await axe.run(options);
  return found.violations.flatMap((one) => one.nodes)
    .map((node) => `color-contrast: ${node.html.slice(0, 150)}`);
}"""
# How far what was shown moved since the page began to load; a tenth is what is called good. A move
# is reported with the frame after it.
_SHIFT = """() => new Promise((done) => {
  let moved = 0;
  const add = (entries) => { for (const one of entries) moved += one.value; };
  const seen = new PerformanceObserver((list) => add(list.getEntries()));
  seen.observe({ type: "layout-shift", buffered: true });
  const after = (frames) => {
    if (frames > 0) return requestAnimationFrame(() => after(frames - 1));
    setTimeout(() => { add(seen.takeRecords()); done(moved); });
  };
  after(2);
})"""


@dataclass
class Windows:
    """A browser and its windows, one for each language, which stay open from test to test: to open
    one takes as much processor time as to look at four pages."""

    chromium: Browser
    contexts: dict[str, BrowserContext] = field(default_factory=dict)

    @asynccontextmanager
    async def tab(self, locale: str, width: int) -> AsyncIterator[Page]:
        """A new tab in the window of a language; its storage is deleted on close."""
        if locale not in self.contexts:
            self.contexts[locale] = await self.chromium.new_context(locale=locale)
            await self.contexts[locale].new_page()  # with its last tab a window closes
        context = self.contexts[locale]
        assert len(context.pages) == 1, "a test looks through one tab of a language at a time"
        page = await context.new_page()
        await page.set_viewport_size({"width": width, "height": _HEIGHT})
        page.set_default_timeout(30_000)
        try:
            yield page
        finally:
            try:
                await _forget(page)
            finally:
                await page.close()


async def _forget(page: Page) -> None:
    """Delete cookies and storage. Not by a script: the page may be on its way to another."""
    await page.context.clear_cookies()
    address = urlsplit(page.url)
    if address.scheme.startswith("http"):
        devtools = await page.context.new_cdp_session(page)
        origin = f"{address.scheme}://{address.netloc}"
        stored = {"origin": origin, "storageTypes": "local_storage"}
        await devtools.send("Storage.clearDataForOrigin", stored)


# htmx aborts a request that a newer one replaces (`hx-sync`), as on a slow machine, and logs that
# as an error. It logs requests that fail by other names too: sendError, responseError, timeout.
_REPLACED_REQUEST = ("htmx:sendAbort,", "htmx:afterRequest,")


@dataclass
class Looked:
    """A page in a browser, and the browser's errors."""

    page: Page
    url: str
    scheme: str
    complaints: list[str] = field(default_factory=list)
    has_axe: bool = False

    async def opens(self, address: str) -> None:
        await self.page.goto(self.url + address)

    async def until(self, holds: str) -> None:
        """Wait for a condition. Playwright's own wait evaluates text, which the CSP forbids."""
        for _ in range(200):
            if await self.page.evaluate(holds):
                return
            await self.page.wait_for_timeout(50)
        raise AssertionError(f"never: {holds}")

    async def faults(self) -> list[str]:
        """Faults of the page: accessibility, layout on a phone, and errors."""
        await self._load_axe()
        serious = await self.page.evaluate(_SERIOUS)
        wide = await self.page.evaluate("document.documentElement.scrollWidth > innerWidth")
        moved = await self.page.evaluate(_SHIFT)
        return [
            *serious,
            *self.complaints,
            *(["wider than the screen"] if wide else []),
            *([f"moved by {moved}"] if moved > 0.05 else []),
        ]

    async def dark_faults(self) -> list[str]:
        """Elements of low contrast if the open page becomes dark, as when the system does."""
        await self._load_axe()
        # Without motion no colour is on its way to another.
        await self.page.emulate_media(color_scheme="dark", reduced_motion="reduce")
        found: list[str] = await self.page.evaluate(_LOW_CONTRAST)
        await self.page.emulate_media(color_scheme=self.scheme, reduced_motion="null")  # type: ignore[arg-type]
        return found

    async def _load_axe(self) -> None:
        """Load axe into the open page and those that this tab opens next."""
        if not self.has_axe:
            await self.page.evaluate(AXE_SCRIPT)
            await self.page.add_init_script(AXE_SCRIPT)
            self.has_axe = True


@asynccontextmanager
async def looked(
    windows: Windows, url: str, look: tuple[str, str, int], who: Looker | None
) -> AsyncIterator[Looked]:
    """Open a page with a session or without one."""
    locale, scheme, width = look
    async with windows.tab(locale, width) as page:
        await page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        if who is not None:
            token = who.http.cookies["maas_session"]
            cookie = {"name": "maas_session", "value": token, "url": url}
            await page.context.add_cookies([cookie])  # type: ignore[list-item]
        seen = Looked(page, url, scheme)

        def complain(message: Any) -> None:
            # A page that says 404 does so in the console too.
            is_fault = message.type in ("error", "warning") and "status of 4" not in message.text
            if is_fault and not message.text.startswith(_REPLACED_REQUEST):
                seen.complaints.append(message.text)

        page.on("console", complain)
        page.on("pageerror", lambda error: seen.complaints.append(str(error)))
        yield seen
