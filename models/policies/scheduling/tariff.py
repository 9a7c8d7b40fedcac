"""A time-of-use tariff: the price of energy by time of day."""

import tomllib
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

MINUTES_OF_DAY = 24 * 60
EXAMPLE = Path(__file__).parent / "tariff.toml"


class TariffInvalid(ValueError):
    """A tariff that cannot be used; the message says why."""


@dataclass(frozen=True, slots=True)
class Period:
    """A part of the day with one price, which ends where the next period starts.

    start: minutes after midnight, local time. price: per kWh, in the currency of the tariff.
    """

    start: int
    name: str
    price: float


@dataclass(frozen=True, slots=True)
class Tariff:
    """The periods of a day, the first of which starts at midnight."""

    currency: str
    periods: tuple[Period, ...]

    def __post_init__(self) -> None:
        """Raise TariffInvalid unless the periods cover the day in order."""
        starts = [period.start for period in self.periods]
        if not starts or starts[0] != 0:
            raise TariffInvalid("The first period must start at 00:00.")
        if any(later <= earlier for earlier, later in pairwise(starts)):
            raise TariffInvalid("Periods must be in order, without two at the same time.")
        if starts[-1] >= MINUTES_OF_DAY:
            raise TariffInvalid("Periods must start before 24:00.")
        for period in self.periods:
            if not 0 <= period.price < np.inf:
                raise TariffInvalid(f"The price of `{period.name}` must be a number of 0 or more.")

    def prices(self, slots: int) -> Floats:
        """Return the mean price in each of `slots` equal parts of a day, [slots], per kWh."""
        starts = np.array([period.start for period in self.periods])
        prices = np.array([period.price for period in self.periods])
        minutes = prices[np.searchsorted(starts, np.arange(MINUTES_OF_DAY), side="right") - 1]
        return np.asarray(minutes.reshape(slots, -1).mean(axis=1))


def read_tariff(text: str) -> Tariff:
    """Return the tariff of a TOML text as in `tariff.toml`. Raises TariffInvalid."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise TariffInvalid(f"The tariff is not valid TOML: {error}.") from error
    listed = document.get("periods")
    if not isinstance(listed, list) or not isinstance(document.get("currency"), str):
        raise TariffInvalid("A tariff has a `currency` and a list of `periods`.")
    return Tariff(document["currency"], tuple(read_period(each) for each in listed))


def read_period(fields: object) -> Period:
    """Return one period. Raises TariffInvalid."""
    if not isinstance(fields, dict) or set(fields) != {"start", "name", "price"}:
        raise TariffInvalid("Each period has `start`, `name` and `price`.")
    price = fields["price"]
    if isinstance(price, bool) or not isinstance(price, int | float):
        raise TariffInvalid(f"The price of `{fields['name']}` must be a number.")
    return Period(_read_time(fields["start"]), str(fields["name"]), float(price))


def time_text(minutes: int) -> str:
    """Return minutes after midnight as a time such as `08:30`."""
    return f"{minutes // 60:02d}:{minutes % 60:02d}"


def _read_time(text: object) -> int:
    """Return the minutes after midnight of a time such as `08:30`. Raises TariffInvalid."""
    hours, _, minutes = str(text).partition(":")
    if not (hours.isdecimal() and minutes.isdecimal() and int(hours) < 24 and int(minutes) < 60):
        raise TariffInvalid(f"`{text}` is not a time of day such as `08:30`.")
    return int(hours) * 60 + int(minutes)
