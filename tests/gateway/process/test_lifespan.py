"""Startup of a gateway process, and of applications that share a process."""

import gc
from pathlib import Path

import pytest

from gateway import app as application
from gateway.app import create_app
from gateway.process.lifespan import freeze_loaded_objects
from tests.support.builders import run_gateway, settings
from tests.support.nightly import nightly


def test_created_app_freezes_loaded_objects_on_startup(
    monkeypatch: pytest.MonkeyPatch, database_url: str
) -> None:
    monkeypatch.setenv("MAAS_DATABASE_URL", database_url)
    monkeypatch.setenv("MAAS_SERVING_URL", "http://127.0.0.1:9")
    monkeypatch.setattr(application, "configure_logging", lambda _level: None)
    assert freeze_loaded_objects in create_app().on_startup


@nightly
async def test_application_in_a_shared_process_freezes_no_objects(
    database_url: str, data_dir: Path
) -> None:
    """Frozen objects are never freed, including a stopped application."""
    frozen = gc.get_freeze_count()
    async with run_gateway(settings(database_url, data_dir, "http://127.0.0.1:9")) as gateway:
        assert (await gateway.http.get("/health/live")).status_code == 200
    assert gc.get_freeze_count() <= frozen
