"""Finds elements of a page that are wider than a phone."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.support.dashboard.browsing import Looked

PHONE = 390  # pixels
# Elements beyond the window, or a figure beyond its container, that no ancestor scrolls or
# hides. Charts follow the width of their window a few frames later.
_BEYOND = """() => new Promise((done) => {
  const clips = (one) => one && (getComputedStyle(one).overflowX !== "visible"
    || clips(one.parentElement));
  const found = () => {
    const beyond = [...document.querySelectorAll("body *")]
      .filter((one) => one.getBoundingClientRect().right > innerWidth + 0.5
        || (one.matches(".figure-value") && one.scrollWidth > one.clientWidth))
      .filter((one) => one.checkVisibility() && !clips(one.parentElement))
      .map((one) => `${one.tagName}.${one.className}: ${one.textContent.trim().slice(0, 50)}`);
    const width = document.documentElement.scrollWidth;
    return width > innerWidth ? [`${width} pixels wide`, ...beyond] : beyond;
  };
  const after = (frames) => {
    const beyond = found();
    if (frames === 0 || beyond.length === 0) return done(beyond.slice(0, 5));
    requestAnimationFrame(() => after(frames - 1));
  };
  after(60);
})"""


async def too_wide(seen: Looked) -> list[str]:
    """Elements of the page beyond the width of a phone, which make the page scroll sideways."""
    async with on_a_phone(seen):
        found: list[str] = await seen.page.evaluate(_BEYOND)
    return found


@asynccontextmanager
async def on_a_phone(seen: Looked) -> AsyncIterator[None]:
    """Make the window as narrow as a phone; afterwards as wide as before."""
    before = seen.page.viewport_size
    assert before is not None
    narrow = before["width"] == PHONE
    if not narrow:
        await seen.page.set_viewport_size({"width": PHONE, "height": before["height"]})
    assert await seen.page.evaluate("innerWidth") == PHONE
    yield
    if not narrow:
        await seen.page.set_viewport_size(before)
