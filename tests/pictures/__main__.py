"""`make pictures`: every page of the dashboard in every look, of the example firms.

    python -m tests.pictures --output build/pictures [--look zh-CN/dark/390 …] [--only invoices …]

Owns starting the example firms' service and taking the pictures. Which pages there are is found
by walking (walking.py). Models are not started: what pages show of them is that they are away.
"""

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from itertools import product
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, Page, async_playwright

from load.bench.pages.page_kinds import HOME
from load.bench.servers import run_maas_command
from tests.pictures.walking import walk
from tests.support.dashboard.browsing import CHROMIUM

LANGUAGES, THEMES, WIDTHS = ("zh-CN", "en-US"), ("light", "dark"), (1440, 390)
LOOKS = tuple("/".join(map(str, look)) for look in product(LANGUAGES, THEMES, WIDTHS))
WHO = ("machining", "moulding", "pumping", "platform")
OUTSIDE = ("/dashboard/sign-in", "/dashboard/forgot")
_PORT, _TALL = 18081, 900
_OPERATOR = "operator@platform.example"
_MAAS = str(Path(sys.executable).with_name("maas"))


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--output", type=Path, default=Path("build", "pictures"))
    asked.add_argument("--look", nargs="+", default=LOOKS, choices=LOOKS)
    asked.add_argument("--who", nargs="+", default=WHO, choices=WHO, help="signs in")
    options = asked.parse_args()
    with tempfile.TemporaryDirectory(prefix="maas-pictures-") as folder:
        environment = {
            **os.environ,
            "MAAS_DATA_DIR": folder,
            "MAAS_PORT": str(_PORT),
            "MAAS_SERVING_URL": "http://127.0.0.1:9",
        }
        filled = run_maas_command(environment, "demo")
        invited = run_maas_command(environment, "people", "operator", "--email", _OPERATOR)
        owners = [one["people"][0]["email"] for one in filled["firms"]]
        people = dict(zip(WHO, [*owners, _OPERATOR], strict=True))
        with _service(environment):
            asyncio.run(_take(options, people, filled["password"], invited["link"]))


@contextmanager
def _service(environment: Mapping[str, str]) -> Iterator[None]:
    child = subprocess.Popen([_MAAS, "up", "--json"], env=dict(environment))
    try:
        yield
    finally:
        child.terminate()
        child.wait(60)


async def _take(
    options: argparse.Namespace, people: Mapping[str, str], password: str, link: str
) -> None:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM)
        await _join(browser, link, password)
        for look in options.look:
            taken = options.output / look.replace("/", "-")
            for name in options.who:
                async with _opened(browser, look) as page:
                    await _sign_in(page, people[name], password)
                    async for shown in walk(page):
                        await _picture(page, taken / f"{name}-{shown}.png")
            async with _opened(browser, look) as page:
                for address in OUTSIDE:
                    await page.goto(address)
                    await _picture(page, taken / f"outside-{address.rpartition('/')[2]}.png")
        await browser.close()


@asynccontextmanager
async def _opened(browser: Browser, look: str) -> AsyncIterator[Page]:
    locale, theme, width = look.split("/")
    wishes: dict[str, Any] = {"locale": locale, "color_scheme": theme}
    context = await browser.new_context(
        base_url=f"http://127.0.0.1:{_PORT}",
        viewport={"width": int(width), "height": _TALL},
        reduced_motion="reduce",
        **wishes,
    )
    yield await context.new_page()
    await context.close()


async def _join(browser: Browser, link: str, password: str) -> None:
    """The operator comes in by the invitation; waits until there is somebody who answers."""
    async with _opened(browser, LOOKS[0]) as page:
        for _ in range(120):
            try:
                await page.goto(link)
                break
            except Exception:
                await asyncio.sleep(0.5)
        await page.fill("[name=name]", "平台运营")
        await page.fill("[name=password]", password)
        await page.click("main button")
        await page.wait_for_url(f"**{HOME}/platform**")
        await page.goto("/dashboard/me")
        # Who joins is written to in the language of that browser; pictures are in each.
        await page.select_option("select[name=language]", "")
        await page.click("form:has(select[name=language]) button")
        await page.wait_for_load_state()


async def _sign_in(page: Page, email: str, password: str) -> None:
    await page.goto("/dashboard/sign-in")
    await page.fill("[name=email]", email)
    await page.fill("[name=password]", password)
    await page.click("main button")
    await page.wait_for_url(lambda url: "sign-in" not in url)


async def _picture(page: Page, file: Path) -> None:
    await page.wait_for_load_state("networkidle")
    tall = await page.evaluate("document.documentElement.scrollHeight")
    was = page.viewport_size or {"width": 0, "height": 0}
    # As tall as the page, for the navigation beside it ends with the window.
    await page.set_viewport_size({"width": was["width"], "height": max(tall, _TALL)})
    # A chart is drawn after its library has come.
    await page.wait_for_timeout(300)
    await page.screenshot(path=file, full_page=True)
    await page.set_viewport_size(was)


if __name__ == "__main__":
    main()
