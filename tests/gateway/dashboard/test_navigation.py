"""The navigation menu: exactly one entry is current."""

import pytest

from gateway.dashboard.navigation import ACCOUNT_PAGES, PLATFORM_PAGES, current_entry


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/dashboard", "overview"),
        ("/dashboard/plant", "plant"),
        ("/dashboard/plant/assets/ast_1", "plant"),
        ("/dashboard/plant/graph", "plant-graph"),
        ("/dashboard/plant/readings/pt_1", "readings"),
        ("/dashboard/plant/readings-of", "plant"),
        ("/dashboard/identifiers/queries", "identifiers"),
        ("/dashboard/admin-keys", "keys"),
        ("/dashboard/fapiao/titles", "invoices"),
    ],
)
def test_entry_with_the_longest_address_is_current(path: str, name: str) -> None:
    found = current_entry(ACCOUNT_PAGES, path)
    assert found is not None
    assert found.name == name


def test_page_outside_the_menu_has_no_current_entry() -> None:
    assert current_entry(ACCOUNT_PAGES, "/dashboard/me") is None
    assert current_entry(PLATFORM_PAGES, "/dashboard") is None
