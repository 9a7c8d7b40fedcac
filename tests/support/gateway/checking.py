"""Guards: set one for a gateway's account, and a rule for texts that needs none."""

from typing import Any

from gateway.identity.audit_log import CLI_ACTOR
from gateway.registry.guards import set_policy
from gateway.wire.guards.texts import TextRefused
from models.guards.policy import RuleKind, parse_policy
from tests.support.builders import Gateway

PHONE = "13812345678"


def check(text: str) -> str:
    """Refuses `bad` and masks one phone number."""
    if "bad" in text:
        raise TextRefused(RuleKind.WORDS)
    return text.replace(PHONE, "<PHONE>")


async def set_guard(gateway: Gateway, *rules: dict[str, Any]) -> None:
    """Set the rules of the gateway's account and wait until calls follow them."""
    account, clock = gateway.account.id, gateway.parts.clock
    async with gateway.parts.database.transaction() as session:
        await set_policy(session, clock, CLI_ACTOR, account, parse_policy(list(rules)))
    await gateway.caught_up()
