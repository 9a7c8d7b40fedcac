"""Key scopes: parsing of models, networks and service tiers, and client addresses within
networks."""

from ipaddress import ip_network

import pytest

from gateway.access.key_scopes import (
    UNRESTRICTED,
    NetworksUnreadable,
    Scope,
    ServiceTierInvalid,
    is_in_networks,
    parse_scope,
    parse_service_tiers,
)

OFFICE = (ip_network("203.0.113.0/24"), ip_network("2001:db8::/48"))


class TestScopeParsing:
    def test_empty_input_is_unrestricted(self) -> None:
        assert parse_scope([], " ") == UNRESTRICTED

    def test_models_and_networks_are_sorted_without_duplicates(self) -> None:
        found = parse_scope(["m2", "m1"], "203.0.113.9/24， 10.1.2.3;10.1.2.3\n2001:db8::1/48")
        networks = ["10.1.2.3/32", "2001:db8::/48", "203.0.113.0/24"]
        assert found == Scope(["m1", "m2"], networks)

    @pytest.mark.parametrize("text", ["home", "10.0.0.0/33", "10.0.0", "1.2.3.4/24/24"])
    def test_invalid_network_is_rejected(self, text: str) -> None:
        with pytest.raises(NetworksUnreadable) as caught:
            parse_scope([], text)
        assert caught.value.param == "networks"

    def test_more_than_50_networks_are_rejected(self) -> None:
        with pytest.raises(NetworksUnreadable):
            parse_scope([], " ".join(f"10.0.0.{at}" for at in range(51)))


@pytest.mark.parametrize(
    ("address", "is_within"),
    [
        ("203.0.113.7", True),
        ("::ffff:203.0.113.7", True),
        ("2001:db8::5%eth0", True),
        ("203.0.114.7", False),
        ("2001:db8:1::5", False),
        ("testclient", False),
        ("", False),
    ],
)
def test_client_address_is_matched_against_networks(address: str, is_within: bool) -> None:
    assert is_in_networks(OFFICE, address) is is_within


class TestServiceTierParsing:
    def test_no_tier_allows_all_and_tiers_are_sorted(self) -> None:
        assert parse_service_tiers([]) is None
        assert parse_service_tiers(["flex", "default", "flex"]) == ["default", "flex"]

    def test_unknown_service_tier_is_rejected(self) -> None:
        with pytest.raises(ServiceTierInvalid) as caught:
            parse_scope([], "", ["gold"])
        assert caught.value.param == "service_tiers"
