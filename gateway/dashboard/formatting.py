"""Money, numbers, days and times as people of a language write them.

Amounts stay exact: what is shown short is rounded by billing's own rule. Pure.
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

from billing.invoice_documents.line_descriptions import named
from billing.money import currency_exponent, nano_text, round_to_minor, rounded

_SMALL = 10**7  # nano-units: below a cent, what a call costs is written in full


class Writing:
    """The forms of one language."""

    def __init__(self, locale: Locale) -> None:
        self._locale = locale
        pattern = locale.currency_formats["standard"].pattern
        # A call may cost a millionth: as many places as say something, and two at least.
        self._finer = pattern.replace("0.00", "0.00#######")

    def product(self, name: str) -> str:
        """A model, and its service tier where that is not the default."""
        return named(self._locale.language, name)

    def filters(self) -> Mapping[str, Callable[..., str]]:
        """By the name that templates use."""
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
        }

    def money(self, minor: int, currency: str) -> str:
        """An amount in minor units."""
        amount = Decimal(minor).scaleb(-currency_exponent(currency))
        return format_currency(amount, currency, locale=self._locale)

    def cost(self, nano: int, currency: str) -> str:
        """A call's cost in nano-units, to the cent; below one unit in full, as calls are small."""
        if abs(nano) >= _SMALL * 100 or nano == 0:
            return self.money(round_to_minor(nano, currency).minor, currency)
        return self.exact(nano, currency)

    def sum(self, nano: int, currency: str) -> str:
        """What many calls cost, in nano-units, to the cent: a column ends at one place."""
        minor = round_to_minor(nano, currency).minor
        if nano > 0 and minor == 0:
            return f"< {self.money(1, currency)}"
        return self.money(minor, currency)

    def exact(self, nano: int, currency: str) -> str:
        """A price or a cost in nano-units with every place that says something."""
        amount = Decimal(nano_text(nano))
        return format_currency(
            amount, currency, self._finer, locale=self._locale, currency_digits=False
        )

    def number(self, value: int | None) -> str:
        """A whole number; a dash where it is not known."""
        return "–" if value is None else format_decimal(value, locale=self._locale)

    def decimal(self, text: str) -> str:
        """An exact decimal as billing writes it, to three places: `1,234.5`."""
        return format_decimal(Decimal(text), "#,##0.###", locale=self._locale)

    def compact(self, value: int) -> str:
        """A large number in short: `1.2M`, `120万`."""
        if abs(value) < 10_000:
            return self.number(value)
        return format_compact_decimal(value, locale=self._locale, fraction_digits=1)

    def share(self, part: int, whole: int) -> str:
        """A part as percent."""
        percent = rounded(Fraction(part * 100, whole)) if whole else 0
        return format_percent(Decimal(percent) / 100, locale=self._locale)

    def day(self, value: date) -> str:
        return format_date(value, "medium", locale=self._locale)

    def short_day(self, value: date) -> str:
        """Without the year: `Oct 3`, `10月3日`."""
        return format_skeleton("MMMd", value, locale=self._locale)

    def month(self, value: date) -> str:
        return format_skeleton("yMMMM", value, locale=self._locale)

    def moment(self, at: datetime, zone: ZoneInfo, width: str = "medium") -> str:
        """An instant as a zone's clocks show it; `date` only its day, `short` without the year."""
        if width == "date":
            return self.day(at.astimezone(zone).date())
        if width == "short":
            local = at.astimezone(zone)
            return f"{self.short_day(local.date())} {local:%H:%M}"
        return format_datetime(at, width, tzinfo=zone, locale=self._locale)

    def last_day(self, ends_at: datetime, zone: ZoneInfo) -> str:
        """The last day of a time; an end at midnight belongs to the day before."""
        return self.day((ends_at - timedelta(microseconds=1)).astimezone(zone).date())

    def hour(self, at: datetime, zone: ZoneInfo) -> str:
        """`14:00`."""
        return format_datetime(at, "HH:mm", tzinfo=zone, locale=self._locale)

    def ago(self, at: datetime, now: datetime) -> str:
        """`3 minutes ago`."""
        past = min(at - now, timedelta(seconds=-1))
        return format_timedelta(past, add_direction=True, locale=self._locale)

    def duration(self, micros: int | None) -> str:
        """A call's time: `340 ms`, `2.4 s`."""
        if micros is None:
            return "–"
        if micros < 1_000_000:
            return f"{micros // 1000} ms"
        seconds: Any = Decimal(micros).scaleb(-6)
        return f"{format_decimal(round(seconds, 1), locale=self._locale)} s"

    def span(self, value: timedelta) -> str:
        """A length of time: `1 day`, `1周`."""
        return format_timedelta(value, locale=self._locale)
