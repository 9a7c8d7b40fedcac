"""The factory of collectors, by name and credentials."""

from pathlib import Path

import pytest

from billing.collection.collector import Collector
from billing.collection.stripe.info import STRIPE
from gateway.process.integrations import create_collector
from infra.settings import SettingsInvalid
from tests.support import builders


class TestCollectorFactory:
    async def test_credentials_create_the_configured_collector(self, tmp_path: Path) -> None:
        settings = builders.settings(
            "postgresql://x/y", tmp_path, "http://127.0.0.1:9", stripe_secret_key="sk_test_1"
        )
        collector = create_collector(settings)
        assert isinstance(collector, Collector)
        assert collector.info == STRIPE
        await collector.close()

    def test_missing_credentials_create_no_collector(self, tmp_path: Path) -> None:
        assert (
            create_collector(builders.settings("postgresql://x/y", tmp_path, "http://127.0.0.1:9"))
            is None
        )

    def test_unknown_collector_name_raises_settings_invalid(self, tmp_path: Path) -> None:
        settings = builders.settings(
            "postgresql://x/y", tmp_path, "http://127.0.0.1:9", collector="cash"
        )
        with pytest.raises(SettingsInvalid, match="MAAS_COLLECTOR is 'cash', not one of: stripe"):
            create_collector(settings)
