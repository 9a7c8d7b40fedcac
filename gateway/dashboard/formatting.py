"""Locale-aware formatting of money, numbers, dates and times; the filters of templates.

Amounts are exact integers or decimals; shortened ones are rounded by billing's rounding rule.
"""

from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

from babel import Locale
from babel.dates import format_date, format_datetime, format_skeleton, format_timedelta
from babel.numbers import format_compact_decimal, format_currency, format_decimal, format_percent
from babel.units import format_unit

from billing.invoice_documents.line_descriptions import product_label
from billing.money import currency_exponent, nano_text, round_to_minor, rounded

_ONE_CENT_NANO = 10**7
_TIME_UNITS = (("day", 86_400), ("hour", 3600), ("minute", 60))


class LocaleFormatter:
    """Formats money, numbers, dates and times for one locale."""

    def __init__(self, locale: Locale) -> None:
        self._locale = locale
        pattern = locale.currency_formats["standard"].pattern
        # A call may cost a millionth of a unit: 2 to 9 decimal places.
        self._precise_pattern = pattern.replace("0.00", "0.00#######")

    def product(self, name: str) -> str:
        """Return a product's label: the model, with its service tier unless that is the default."""
        return product_label(self._locale.language, name)

    def filters(self) -> Mapping[str, Callable[..., str]]:
        """Return the template filters by name."""
        return {
            "money": self.money,
            "product": self.product,
            "cost": self.cost,
            "sum_of": self.sum,
            "exact": self.exact,
            "number": self.number,
            "decimal": self.decimal,
            "compact": self.compact,
            "share": self.share,
            "day": self.day,
            "short_day": self.short_day,
            "month": self.month,
            "last_day": self.last_day,
            "moment": self.moment,
            "hour": self.hour,
            "ago": self.ago,
            "duration": self.duration,
            "span": self.span,
            "seconds": self.seconds,
        }

    def money(self, minor: int, currency: str) -> str:
        """Format an amount in minor units."""
        amount = Decimal(minor).scaleb(-currency_exponent(currency))
        return format_currency(amount, currency, locale=self._locale)

    def cost(self, nano: int, currency: str) -> str:
        """Format a cost in nano-units: to the cent, or exactly if it is below one currency unit."""
        if abs(nano) >= _ONE_CENT_NANO * 100 or nano == 0:
            return self.money(round_to_minor(nano, currency).minor, currency)
        return self.exact(nano, currency)

    def sum(self, nano: int, currency: str) -> str:
        """Format a total in nano-units to the cent, as `< 0.01` if it is positive but less."""
        minor = round_to_minor(nano, currency).minor
        if nano > 0 and minor == 0:
            return f"< {self.money(1, currency)}"
        return self.money(minor, currency)

    def exact(self, nano: int, currency: str) -> str:
        """Format a price or cost in nano-units with all significant decimal places."""
        amount = Decimal(nano_text(nano))
        return format_currency(
            amount, currency, self._precise_pattern, locale=self._locale, currency_digits=False
        )

    def number(self, value: int | None) -> str:
        """Format an integer; a dash for None."""
        return "–" if value is None else format_decimal(value, locale=self._locale)

    def decimal(self, text: str) -> str:
        """Format a decimal string to at most three decimal places: `1,234.5`."""
        return format_decimal(Decimal(text), "#,##0.###", locale=self._locale)

    def compact(self, value: int) -> str:
        """Format a large integer in compact notation: `1.2M`, `120万`."""
        if abs(value) < 10_000:
            return self.number(value)
        return format_compact_decimal(value, locale=self._locale, fraction_digits=1)

    def share(self, part: int, total: int) -> str:
        """Format a part of a total as a whole percentage."""
        percent = rounded(Fraction(part * 100, total)) if total else 0
        return format_percent(Decimal(percent) / 100, locale=self._locale)

    def day(self, value: date) -> str:
        """Format a date, with the year."""
        return format_date(value, "medium", locale=self._locale)

    def short_day(self, value: date) -> str:
        """Format a date without the year: `Oct 3`, `10月3日`."""
        return format_skeleton("MMMd", value, locale=self._locale)

    def month(self, value: date) -> str:
        """Format the month and year of a date."""
        return format_skeleton("yMMMM", value, locale=self._locale)

    def moment(self, at: datetime, zone: ZoneInfo, width: str = "medium") -> str:
        """Format an instant in a time zone; width `date` omits the time of day, `short` the year.

        Other widths are Babel's.
        """
        if width == "date":
            return self.day(at.astimezone(zone).date())
        if width == "short":
            local = at.astimezone(zone)
            return f"{self.short_day(local.date())} {local:%H:%M}"
        return format_datetime(at, width, tzinfo=zone, locale=self._locale)

    def last_day(self, ends_at: datetime, zone: ZoneInfo) -> str:
        """Format the last date of a period with an exclusive end."""
        return self.day((ends_at - timedelta(microseconds=1)).astimezone(zone).date())

    def hour(self, at: datetime, zone: ZoneInfo) -> str:
        """Format the time of day in a time zone: `14:00`."""
        return format_datetime(at, "HH:mm", tzinfo=zone, locale=self._locale)

    def ago(self, at: datetime, now: datetime) -> str:
        """Format the time since an instant: `3 minutes ago`."""
        elapsed = min(at - now, timedelta(seconds=-1))
        return format_timedelta(elapsed, add_direction=True, locale=self._locale)

    def duration(self, micros: int | None) -> str:
        """Format a duration in microseconds: `340 ms`, `2.4 s`; a dash for None."""
        if micros is None:
            return "–"
        if micros < 1_000_000:
            return f"{micros // 1000} ms"
        seconds: Any = Decimal(micros).scaleb(-6)
        return f"{format_decimal(round(seconds, 1), locale=self._locale)} s"

    def span(self, value: timedelta) -> str:
        """Format a time span in its largest unit: `1 day`, `1周`."""
        return format_timedelta(value, locale=self._locale)

    def seconds(self, value: float) -> str:
        """Format seconds exactly, in the largest unit that divides them: `90 minutes`."""
        for unit, length in _TIME_UNITS:
            if value >= length and value % length == 0:
                return format_unit(int(value // length), unit, locale=self._locale)
        return format_unit(value, "second", locale=self._locale)
