"""Detect secrets in training data that a language model must not memorize: keys, account ids."""

import re
from collections.abc import Iterable, Iterator
from uuid import UUID

from billing.accounts.accounts import ACCOUNT_ID_PREFIX as ACCOUNT_PREFIX
from gateway.access.key_format import KEY_LENGTH, is_well_formed
from infra import ids
from models.adaptation import TrainingFileInvalid
from models.industrial_llm.dialogues import Dialogue
from models.sentences import sentence

API_KEY, PRIVATE_KEY, ACCOUNT = "API_KEY", "PRIVATE_KEY", "ACCOUNT"
_OWN_KEY_PATTERN = f"maas_[0-9A-Za-z]{{{KEY_LENGTH - len('maas_')}}}"
_PRIVATE_KEY_MARKER = "[A-Z ]{0,30}PRIVATE KEY-----"
# Own keys are verified by checksum. Foreign keys must be long: `SK-3204-2RS` is a part number.
_SECRET_PATTERNS = (
    (
        API_KEY,
        re.compile(
            rf"(?<![0-9A-Za-z])(?:{_OWN_KEY_PATTERN}|sk-(?=[\w-]*\d)[\w-]{{32,200}})", re.ASCII
        ),
    ),
    (
        PRIVATE_KEY,
        re.compile(rf"-----BEGIN {_PRIVATE_KEY_MARKER}(?:[\s\S]*?-----END {_PRIVATE_KEY_MARKER})?"),
    ),
    (ACCOUNT, re.compile(rf"(?<![0-9A-Za-z]){ACCOUNT_PREFIX}_[0-9a-f]{{32}}(?![0-9A-Za-z])")),
)
_KIND_NAMES = {
    API_KEY: sentence("an API key"),
    PRIVATE_KEY: sentence("a private key"),
    ACCOUNT: sentence("another account's id"),
}


def find_secrets(text: str) -> Iterator[tuple[str, int, int]]:
    """Yield kind, start and end of each secret in a text."""
    for kind, pattern in _SECRET_PATTERNS:
        for match in pattern.finditer(text):
            if not match[0].startswith("maas_") or is_well_formed(match[0]):
                yield kind, *match.span()


def require_no_secrets(dialogues: Iterable[Dialogue], account_id: UUID) -> None:
    """Raise TrainingFileInvalid at the first line with a secret.

    The account's own id is allowed.
    """
    own = ids.format_id(ACCOUNT_PREFIX, account_id)
    for dialogue in sorted(dialogues, key=lambda dialogue: dialogue.line):
        for _, text in dialogue.turns:
            for kind, start, end in find_secrets(text):
                if text[start:end] != own:
                    raise TrainingFileInvalid(
                        sentence(
                            "Line {line} contains {what}, which the model would memorise. Remove "
                            "it, or create the job with `scrub: true`.",
                            line=dialogue.line,
                            what=_KIND_NAMES[kind],
                        )
                    )
