"""A rule for texts that needs no guard: refuses `bad` and masks one phone number."""

from gateway.wire.guards.texts import TextRefused
from models.guards.policy import RuleKind

PHONE = "13812345678"


def check(text: str) -> str:
    if "bad" in text:
        raise TextRefused(RuleKind.WORDS)
    return text.replace(PHONE, "<PHONE>")
