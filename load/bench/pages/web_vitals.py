"""Painting: what a browser makes of a page that it has never seen, as Lighthouse judges it.

Owns the measures, by Chromium's own clocks: first and largest contentful paint, how long the page
is deaf (blocking time of long tasks), how far it shifts, and what it transfers. Server and browser
share one machine, so the network's part is left out.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from playwright.sync_api import Browser, Cookie, Page, sync_playwright

CHART_LIBRARY = "chart"
_WATCHED = """
  window.seen = { lcp: 0, cls: 0, blocked: 0 };
  const watch = (type, add) =>
    new PerformanceObserver((list) => list.getEntries().forEach(add))
      .observe({ type, buffered: true });
  watch("largest-contentful-paint", (one) => { seen.lcp = one.startTime; });
  watch("layout-shift", (one) => { if (!one.hadRecentInput) seen.cls += one.value; });
  watch("longtask", (one) => { seen.blocked += one.duration - 50; });
"""
_TOLD = """() => ({
  ...window.seen,
  fcp: performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? 0,
  files: ["navigation", "resource"].flatMap((type) => performance.getEntriesByType(type))
    .map((one) => [one.name, one.transferSize]),
})"""


@dataclass(frozen=True, slots=True)
class Painted:
    """Milliseconds but for `shift`; bytes compressed, the chart library apart."""

    kind: str
    first: float
    largest: float
    blocked: float
    shift: float
    transferred: int
    library: int


def paint(
    executable: str, url: str, session: str, pages: Sequence[tuple[str, str]], width: int
) -> list[Painted]:
    """Each page (kind, address) in a new browser context, whose cache is empty."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable)
        found = [_painted(browser, url, session, one, width) for one in pages]
        browser.close()
        return found


def _painted(
    browser: Browser, url: str, session: str, page: tuple[str, str], width: int
) -> Painted:
    kind, address = page
    context = browser.new_context(viewport={"width": width, "height": 900})
    cookie: Any = Cookie(name="maas_session", value=session, url=url)
    context.add_cookies([cookie])
    opened: Page = context.new_page()
    opened.add_init_script(_WATCHED)
    opened.goto(url + address, wait_until="networkidle")
    opened.wait_for_timeout(300)
    told = opened.evaluate(_TOLD)
    context.close()
    library = sum(size for name, size in told["files"] if _is_library(name))
    whole = sum(size for _, size in told["files"])
    return Painted(
        kind, told["fcp"], told["lcp"], told["blocked"], told["cls"], whole - library, library
    )


def _is_library(name: str) -> bool:
    return CHART_LIBRARY in name.rpartition("/")[2]
