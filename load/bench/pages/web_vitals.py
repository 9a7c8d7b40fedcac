"""Web vitals of pages in a browser with an empty cache, as Lighthouse measures them.

Measured by Chromium: first and largest contentful paint, total blocking time, cumulative layout
shift, and transferred bytes. Server and browser share one machine, so network latency is not
included.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from playwright.sync_api import Browser, Cookie, Page, sync_playwright

CHART_LIBRARY = "chart"
_OBSERVERS = """
  window.seen = { lcp: 0, cls: 0, blocked: 0 };
  const watch = (type, add) =>
    new PerformanceObserver((list) => list.getEntries().forEach(add))
      .observe({ type, buffered: true });
  watch("largest-contentful-paint", (one) => { seen.lcp = one.startTime; });
  watch("layout-shift", (one) => { if (!one.hadRecentInput) seen.cls += one.value; });
  watch("longtask", (one) => { seen.blocked += one.duration - 50; });
"""
_RESULTS = """() => ({
  ...window.seen,
  fcp: performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? 0,
  files: ["navigation", "resource"].flatMap((type) => performance.getEntriesByType(type))
    .map((one) => [one.name, one.transferSize]),
})"""


@dataclass(frozen=True, slots=True)
class WebVitals:
    """A page's metrics: milliseconds, and compressed bytes without and of the chart library."""

    kind: str
    first: float
    calls_of_largest_account: float
    blocked: float
    shift: float
    transferred: int
    library: int


def measure_web_vitals(
    executable: str, url: str, session: str, pages: Sequence[tuple[str, str]], width: int
) -> list[WebVitals]:
    """Measure each page (kind, address) in a new browser context."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable)
        found = [_measure_page(browser, url, session, one, width) for one in pages]
        browser.close()
        return found


def _measure_page(
    browser: Browser, url: str, session: str, page: tuple[str, str], width: int
) -> WebVitals:
    kind, address = page
    context = browser.new_context(viewport={"width": width, "height": 900})
    cookie: Any = Cookie(name="maas_session", value=session, url=url)
    context.add_cookies([cookie])
    opened: Page = context.new_page()
    opened.add_init_script(_OBSERVERS)
    opened.goto(url + address, wait_until="networkidle")
    opened.wait_for_timeout(300)
    results = opened.evaluate(_RESULTS)
    context.close()
    library = sum(size for name, size in results["files"] if _is_library(name))
    whole = sum(size for _, size in results["files"])
    return WebVitals(
        kind,
        results["fcp"],
        results["lcp"],
        results["blocked"],
        results["cls"],
        whole - library,
        library,
    )


def _is_library(name: str) -> bool:
    return CHART_LIBRARY in name.rpartition("/")[2]
