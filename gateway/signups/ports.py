"""Interfaces to services that a deployment may add: a company register, other ways to send codes.

The product comes without an implementation of a register: every service in China requires a
contract. Without one, `RegisterAnswer.UNKNOWN` is a fact of each decision. Codes are sent by e-mail
(`gateway/signups/messages.py`); a phone needs a provider of text messages with a registered
template, which is why none is built in.
"""

from typing import Protocol, runtime_checkable

from sqlalchemy.ext.asyncio import AsyncSession

from gateway.signups.decision import RegisterAnswer
from gateway.tables import Signup


@runtime_checkable
class CompanyRegister(Protocol):
    """A register of companies, asked once for each sign-up with a credit code."""

    async def check(self, name: str, credit_code: str) -> RegisterAnswer:
        """Say whether the code is that company's; UNKNOWN also if the register does not answer."""
        ...


@runtime_checkable
class CodeSender(Protocol):
    """A way to send a sign-up's code to the person."""

    async def send_code(self, session: AsyncSession, row: Signup, code: str) -> None:
        """Queue the code within the transaction that stores its hash."""
        ...
