"""What a language model may not learn by heart: keys, and what is another customer's."""

import re
from collections.abc import Iterable, Iterator
from uuid import UUID

from billing.accounts.accounts import PREFIX as ACCOUNT_PREFIX
from gateway.access.key_format import KEY_LENGTH, well_formed
from infra import ids
from models.adaptation import TrainingFileInvalid
from models.industrial_llm.dialogues import Dialogue

API_KEY, PRIVATE_KEY, ACCOUNT = "API_KEY", "PRIVATE_KEY", "ACCOUNT"
_OURS = f"maas_[0-9A-Za-z]{{{KEY_LENGTH - len('maas_')}}}"
_PRIVATE = "[A-Z ]{0,30}PRIVATE KEY-----"
# Of ours the checksum is looked at. Others' are long and mixed: a part `SK-3204-2RS` is none.
_SHAPES = (
    (API_KEY, re.compile(rf"(?<![0-9A-Za-z])(?:{_OURS}|sk-(?=[\w-]*\d)[\w-]{{32,200}})", re.ASCII)),
    (PRIVATE_KEY, re.compile(rf"-----BEGIN {_PRIVATE}(?:[\s\S]*?-----END {_PRIVATE})?")),
    (ACCOUNT, re.compile(rf"(?<![0-9A-Za-z]){ACCOUNT_PREFIX}_[0-9a-f]{{32}}(?![0-9A-Za-z])")),
)
_WORDS = {API_KEY: "an API key", PRIVATE_KEY: "a private key", ACCOUNT: "another account's id"}


def secrets_in(text: str) -> Iterator[tuple[str, int, int]]:
    """Their kinds, and where they stand, from and to."""
    for kind, shape in _SHAPES:
        for found in shape.finditer(text):
            if not found[0].startswith("maas_") or well_formed(found[0]):
                yield kind, *found.span()


def require_none(dialogues: Iterable[Dialogue], account_id: UUID) -> None:
    """The account's own id is none. Raises TrainingFileInvalid, naming the first line with one."""
    own = ids.show(ACCOUNT_PREFIX, account_id)
    for one in sorted(dialogues, key=lambda dialogue: dialogue.line):
        for _, text in one.turns:
            for kind, start, end in secrets_in(text):
                if text[start:end] != own:
                    raise TrainingFileInvalid(
                        f"{one.name} holds {_WORDS[kind]}, which a model would learn by heart. "
                        "Take it out, or ask for the job with `scrub: true`."
                    )
