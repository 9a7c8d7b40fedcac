"""`[recipients]` of a definition: the daily report of an agent, and at which time it is sent."""

import re

import msgspec

from gateway.agents.errors import AgentDefinitionInvalid

_TIME = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]", re.ASCII)


class Recipients(msgspec.Struct, frozen=True, kw_only=True):
    """daily_report: time of day in the account's time zone, such as `08:00`; empty: no report.

    The report goes to the account's mailbox and to its notification endpoints.
    """

    daily_report: str = ""


class RecipientsDocument(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The section as written."""

    daily_report: str = ""


def check_recipients(recipients: RecipientsDocument) -> Recipients:
    """Return recipients whose time is valid. Raises AgentDefinitionInvalid."""
    time = recipients.daily_report.strip()
    if time and _TIME.fullmatch(time) is None:
        message = "`recipients.daily_report` must be a time such as `08:00`."
        raise AgentDefinitionInvalid(message, param="recipients.daily_report")
    return Recipients(daily_report=time)


def recipients_fields(recipients: Recipients) -> dict[str, dict[str, str]]:
    """Return the section as written; nothing if nobody gets a report."""
    if not recipients.daily_report:
        return {}
    return {"recipients": {"daily_report": recipients.daily_report}}
