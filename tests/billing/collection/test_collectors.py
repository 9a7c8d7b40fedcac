"""What is known of each collector."""

import pytest

from billing.collection.collectors import COLLECTORS, find_collector_info
from billing.collection.stripe.info import STRIPE
from billing.invoices.collection_items import CollectionAction


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
