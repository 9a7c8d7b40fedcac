"""Tariffs: prices by slot, and files that are refused."""

import pytest

from models.policies.scheduling.tariff import EXAMPLE, TariffInvalid, read_tariff

_TWO = """
currency = "CNY"
periods = [{ start = "00:00", name = "low", price = 0.3 }, { start = "06:30", name = "high", price = 1 }]
"""  # noqa: E501


def test_example_tariff_has_a_price_for_each_quarter_of_an_hour() -> None:
    prices = read_tariff(EXAMPLE.read_text()).prices(96)
    assert len(prices) == 96
    assert (prices[0], prices[44], prices[45], prices[95]) == (0.32, 1.22, 1.22, 0.64)


def test_slot_with_two_prices_has_their_mean() -> None:
    prices = read_tariff(_TWO).prices(24)
    assert prices[5] == pytest.approx(0.3)
    assert prices[6] == pytest.approx(0.65)
    assert prices[7] == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("00:00", "01:00"), "must start at 00:00"),
        (("06:30", "00:00"), "in order"),
        (("06:30", "24:00"), "not a time of day"),
        (("06:30", "6"), "not a time of day"),
        (("price = 1 ", "price = -1 "), "0 or more"),
        (("price = 1 ", "price = inf "), "0 or more"),
        (("price = 1 ", "price = nan "), "0 or more"),
        (("price = 1 ", 'price = "1" '), "must be a number"),
        (('name = "high"', 'title = "high"'), "`start`, `name` and `price`"),
        (('currency = "CNY"', ""), "`currency`"),
        (("periods = [", "periods = "), "not valid TOML"),
    ],
)
def test_invalid_tariff_is_refused_with_its_reason(change: tuple[str, str], message: str) -> None:
    with pytest.raises(TariffInvalid, match=message):
        read_tariff(_TWO.replace(*change))
