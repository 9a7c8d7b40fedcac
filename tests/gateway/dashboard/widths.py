"""Pages that are wider than a phone."""

from tests.support.dashboard.browsing import Looked

# What sticks out of the window, or a figure out of its place, and is not inside something that
# scrolls or hides it.
_BEYOND = """() => {
  const clips = (one) => one && (getComputedStyle(one).overflowX !== "visible"
    || clips(one.parentElement));
  return [...document.querySelectorAll("body *")]
    .filter((one) => one.getBoundingClientRect().right > innerWidth + 0.5
      || (one.matches(".figure-value") && one.scrollWidth > one.clientWidth))
    .filter((one) => one.checkVisibility() && !clips(one.parentElement))
    .map((one) => `${one.tagName}.${one.className}: ${one.textContent.trim().slice(0, 50)}`);
}"""


async def wider(seen: Looked, pages: list[str]) -> dict[str, object]:
    """The pages that can be moved sideways, and what sticks out."""
    found: dict[str, object] = {}
    for address in pages:
        await seen.opens(address)
        width = await seen.page.evaluate("document.documentElement.scrollWidth")
        beyond = await seen.page.evaluate(_BEYOND)
        if width > 390 or beyond:
            found[address] = (width, beyond[:5])
    return found
