"""E-mail addresses of people, and the origins (address and browser) of their requests."""

import pytest

from gateway.identity.client_origin import ClientOrigin
from gateway.identity.email_address import EmailInvalid, normalize_email


class TestEmailNormalization:
    @pytest.mark.parametrize(
        ("typed", "kept"),
        [
            (" Li@Plant.Example ", "li@plant.example"),
            ("ｌｉ＠plant.example", "li@plant.example"),
            ("王@工厂.中国", "王@工厂.中国"),
            ("LÉA@plant.example", "léa@plant.example"),
            ("le\u0301a@plant.example", "léa@plant.example"),
        ],
    )
    def test_equivalent_spellings_normalize_to_one_address(self, typed: str, kept: str) -> None:
        assert normalize_email(typed) == kept
        assert normalize_email(kept) == kept

    @pytest.mark.parametrize(
        "typed",
        [
            "",
            "li",
            "@plant.example",
            "li@",
            "li @plant.example",
            "li@plant.example\nBcc: all@plant.example",
            "li\x00@plant.example",
            "li\u200b@plant.example",
            "\ud800@plant.example",
            "strasse-ß@plant.example",
            "a" * 65 + "@plant.example",
            "li@" + "a" * 1_000_000,
        ],
    )
    def test_invalid_address_raises_email_invalid(self, typed: str) -> None:
        with pytest.raises(EmailInvalid):
            normalize_email(typed)


class TestClientOrigin:
    @pytest.mark.parametrize(
        ("address", "network"),
        [
            ("203.0.113.7", "203.0.113.7"),
            ("::ffff:203.0.113.7", "203.0.113.7"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
            ("fe80::1%eth0", "fe80::/64"),
            ("unix", "unix"),
        ],
    )
    def test_network_is_ipv4_address_or_ipv6_prefix(self, address: str, network: str) -> None:
        assert ClientOrigin.from_request(address, None).network == network

    def test_browser_is_equal_across_versions(self) -> None:
        old, new = (
            ClientOrigin.from_request("x", f"Mozilla/5.0 Firefox/{at}.0") for at in (143, 144)
        )
        assert old.browser == new.browser
        assert old.browser != ClientOrigin.from_request("x", "Mozilla/5.0 Chrome/144.0").browser

    def test_long_address_and_agent_are_truncated_and_sanitized(self) -> None:
        place = ClientOrigin.from_request("1" * 1000, "\x00\ud800\n" + "a" * 100_000)
        assert (len(place.address), place.agent) == (64, "a" * 300)
