"""The factory of collectors, and what is known of each."""

from pathlib import Path

import pytest

from billing.collection.collector import Collector
from billing.collection.collectors import COLLECTORS, create_collector, find_collector_info
from billing.collection.stripe.info import STRIPE
from billing.invoices.collection_items import CollectionAction
from infra.settings import SettingsInvalid
from tests.support import builders


class TestFactory:
    async def test_with_credentials_creates_the_configured_collector(self, tmp_path: Path) -> None:
        settings = builders.settings(
            "postgresql://x/y", tmp_path, "http://127.0.0.1:9", stripe_secret_key="sk_test_1"
        )
        collector = create_collector(settings)
        assert isinstance(collector, Collector)
        assert collector.info == STRIPE
        await collector.close()

    def test_without_credentials_creates_none(self, tmp_path: Path) -> None:
        assert (
            create_collector(builders.settings("postgresql://x/y", tmp_path, "http://127.0.0.1:9"))
            is None
        )

    def test_of_an_unknown_name_is_refused(self, tmp_path: Path) -> None:
        settings = builders.settings(
            "postgresql://x/y", tmp_path, "http://127.0.0.1:9", collector="cash"
        )
        with pytest.raises(SettingsInvalid, match="MAAS_COLLECTOR is 'cash', not one of: stripe"):
            create_collector(settings)


class TestInfo:
    def test_is_found_by_name(self) -> None:
        assert find_collector_info("stripe") == STRIPE
        assert find_collector_info("cash") is None

    @pytest.mark.parametrize("name", COLLECTORS)
    def test_names_are_part_of_urls_and_of_collection_methods(self, name: str) -> None:
        assert COLLECTORS[name].info.name == name
        assert name.isascii()
        assert name.isalnum()
        assert name == name.lower()

    @pytest.mark.parametrize("name", COLLECTORS)
    def test_previous_actions_are_replaced_by_actions(self, name: str) -> None:
        actions = {action.value for action in CollectionAction}
        assert set(COLLECTORS[name].info.previous_actions.values()) <= actions
