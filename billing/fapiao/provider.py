"""The interface of a fapiao provider: how fapiao get to the tax platform and come back.

The provider by files (batch_file.py) writes a workbook that a person uploads, and reads the result
list that the person downloads. A provider with an online interface would send orders instead and
return no files.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Protocol

from billing.fapiao.lines import FapiaoLine
from billing.fapiao.title_fields import TitleFields
from billing.rating.taxes import Tax


@dataclass(frozen=True, slots=True)
class IssueOrder:
    """A blue fapiao to issue: serial number, buyer, lines in minor units of CNY, tax, remark."""

    serial: str
    title: TitleFields
    lines: tuple[FapiaoLine, ...]
    tax: Tax
    remark: str

    @property
    def total(self) -> int:
        """The total of the lines, including tax."""
        return sum(line.total for line in self.lines)


@dataclass(frozen=True, slots=True)
class RedLetterOrder:
    """A red letter to issue; amounts are positive. `reason` is a word of the layout."""

    order: IssueOrder
    original_number: str
    original_day: date
    reason: str


@dataclass(frozen=True, slots=True)
class ProviderFile:
    """A file for the tax platform."""

    name: str
    content: bytes


@dataclass(frozen=True, slots=True)
class IssueResult:
    """The result of an order: number, day and total of the fapiao, or the platform's `error`.

    `row` is where it stands in a result list, `problem` why that row cannot be used. The total is
    in minor units, without sign.
    """

    row: int
    serial: str
    number: str = ""
    issued_on: date | None = None
    total: int | None = None
    error: str = ""
    problem: str = ""


class FapiaoProvider(Protocol):
    """Issues fapiao at the tax platform. Orders are idempotent by their serial number."""

    async def issue(self, orders: Sequence[IssueOrder]) -> Sequence[ProviderFile]:
        """Issue blue fapiao; return the files to upload, none if the orders were sent."""
        ...

    async def red_letter(self, orders: Sequence[RedLetterOrder]) -> Sequence[ProviderFile]:
        """Issue red letters; return the files to upload, none if the orders were sent."""
        ...

    async def query(self, serials: Sequence[str]) -> Sequence[IssueResult]:
        """Return the known results of orders. Those without a result are left out."""
        ...
