"""Properties of the registered collectors."""

import pytest

from billing.collection.collectors import COLLECTORS, find_collector_info
from billing.collection.stripe.info import STRIPE
from billing.invoices.collection_items import CollectionAction


class TestCollectorInfo:
    def test_info_is_found_by_name(self) -> None:
        assert find_collector_info("stripe") == STRIPE
        assert find_collector_info("cash") is None

    @pytest.mark.parametrize("name", COLLECTORS)
    def test_name_is_lowercase_alphanumeric_ascii(self, name: str) -> None:
        assert COLLECTORS[name].info.name == name
        assert name.isascii()
        assert name.isalnum()
        assert name == name.lower()

    @pytest.mark.parametrize("name", COLLECTORS)
    def test_previous_actions_map_to_current_actions(self, name: str) -> None:
        actions = {action.value for action in CollectionAction}
        assert set(COLLECTORS[name].info.previous_actions.values()) <= actions
