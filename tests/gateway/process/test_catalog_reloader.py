"""Reloading of catalog files: when a change is applied, and what happens to what is invalid."""

import asyncio
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.process.catalog_reloader import CatalogReloader
from infra.clock import SystemClock
from infra.secrets.named_secrets import NamedSecrets
from infra.settings import SettingsInvalid
from infra.timing import Timing
from models.catalog import Catalog, load_configured_catalog
from models.catalog.reloading import CatalogSource
from tests.support.builders import INDUSTRIAL, GivenSettings

ALIAS = f'[aliases]\n"{{}}" = "{INDUSTRIAL}"\n'


class Site:
    """A catalog file with its reloader; counts how often listeners were called."""

    def __init__(self, file: Path, poll_s: float = 3600.0) -> None:
        self.file, self.calls, self.refuses = file, 0, False
        self.write("first")
        settings = GivenSettings(catalog=(file,))
        self.catalog = load_configured_catalog(settings)
        source = CatalogSource(settings, NamedSecrets(None, {}), self.validate)
        timing = Timing(catalog_poll_s=poll_s)
        self.reloader = CatalogReloader(
            source, self.catalog, SystemClock(), None, timing, [self.listen]
        )

    def write(self, alias: str) -> None:
        self.file.write_text(ALIAS.format(alias))

    def listen(self) -> None:
        self.calls += 1

    def validate(self, _catalog: Catalog) -> None:
        if self.refuses:
            raise SettingsInvalid("MAAS_SERVING_URL names 'x', which is not in the catalog.")

    def aliases(self) -> set[str]:
        return set(self.catalog.aliases)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path / "site.toml")


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_change_is_applied_once_two_comparisons_in_a_row_find_it(site: Site) -> None:
    await site.reloader.start()
    site.write("second")
    await site.reloader.reload_if_changed()
    assert site.aliases() == {"first"}
    site.write("third")  # still being written
    await site.reloader.reload_if_changed()
    assert site.aliases() == {"first"}
    await site.reloader.reload_if_changed()
    assert (site.aliases(), site.calls, site.catalog.version) == ({"third"}, 1, 1)
    await site.reloader.reload_if_changed()
    assert site.calls == 1
    await site.reloader.stop()


async def test_signal_applies_a_change_at_once(site: Site) -> None:
    await site.reloader.start()
    try:
        site.write("second")
        os.kill(os.getpid(), signal.SIGHUP)
        await until(lambda: site.aliases() == {"second"})
    finally:
        await site.reloader.stop()


async def test_deleted_file_is_refused_and_its_return_is_accepted(site: Site) -> None:
    await site.reloader.start()
    site.file.unlink()
    await site.reloader.reload_if_changed(must_be_stable=False)
    status = site.reloader.status
    assert status.refused_at is not None
    assert "cannot be read" in status.problems[0].text
    assert (site.aliases(), site.calls) == ({"first"}, 0)
    site.write("first")
    await site.reloader.reload_if_changed(must_be_stable=False)
    assert site.reloader.status.refused_at is None
    await site.reloader.stop()


async def test_catalog_that_the_process_cannot_use_is_refused(site: Site) -> None:
    await site.reloader.start()
    site.refuses = True
    site.write("second")
    await site.reloader.reload_if_changed(must_be_stable=False)
    assert "MAAS_SERVING_URL" in site.reloader.status.problems[0].message
    assert site.aliases() == {"first"}
    await site.reloader.stop()


async def test_unexpected_error_does_not_end_the_polling(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = Site(tmp_path / "site.toml", poll_s=0.01)
    await site.reloader.start()
    try:
        failures = []

        async def fail(must_be_stable: bool = True) -> None:
            failures.append(must_be_stable)
            raise RuntimeError("disk")

        with monkeypatch.context() as patched:
            patched.setattr(site.reloader, "reload_if_changed", fail)
            await until(lambda: len(failures) > 1)
        site.write("second")
        await until(lambda: site.aliases() == {"second"})
    finally:
        await site.reloader.stop()


async def test_process_without_catalog_files_polls_nothing(tmp_path: Path) -> None:
    settings = GivenSettings()
    source = CatalogSource(settings, NamedSecrets(None, {}), lambda _: None)
    reloader = CatalogReloader(source, load_configured_catalog(settings), SystemClock())
    await reloader.start()
    await reloader.stop()
    assert reloader.status.problems == ()
