"""The fields of a buyer title and their validation.

Tax numbers are checked with python-stdnum: a unified social credit code (GB 32100-2015), or the
number of a self-employed person, which is that of the identity card, with or without two digits.
"""

from dataclasses import asdict, dataclass, replace
from enum import StrEnum

from stdnum.cn import ric, uscc

from billing.fapiao.errors import FapiaoTitleInvalid
from infra.outbound.mail import is_email_address

# The limits of the tax platform's template.
_MAX_LENGTHS = {
    "name": 100,
    "address": 100,
    "phone": 100,
    "bank_name": 100,
    "bank_account": 100,
    "email": 72,
}
_IDENTITY_CARD_LENGTH, _SELF_EMPLOYED_LENGTH = 18, 20


class FapiaoKind(StrEnum):
    """Whether a fapiao is ordinary, or special and so counts as input tax of its buyer."""

    ORDINARY = "ordinary"
    SPECIAL = "special"


@dataclass(frozen=True, slots=True)
class TitleFields:
    """A buyer title. Without a tax number it is of a natural person, and ordinary."""

    name: str
    tax_number: str = ""
    kind: str = FapiaoKind.ORDINARY.value
    address: str = ""
    phone: str = ""
    bank_name: str = ""
    bank_account: str = ""
    email: str = ""

    @property
    def is_natural_person(self) -> bool:
        """Whether the buyer is a natural person, who has no tax number."""
        return not self.tax_number

    def to_json(self) -> dict[str, str]:
        """Return the fields by name, as stored with each fapiao."""
        return asdict(self)


def validated_title(fields: TitleFields) -> TitleFields:
    """Return the title with clean fields. Raises FapiaoTitleInvalid, which names the field."""
    values = {name: " ".join(value.split()) for name, value in asdict(fields).items()}
    title = replace(TitleFields(**values), tax_number=_validated_tax_number(values["tax_number"]))
    if title.kind not in list(FapiaoKind):
        raise FapiaoTitleInvalid("`kind` must be ordinary or special.", param="kind")
    if title.kind == FapiaoKind.SPECIAL and title.is_natural_person:
        raise FapiaoTitleInvalid("A special fapiao needs a tax number.", param="tax_number")
    if not title.name:
        raise FapiaoTitleInvalid("Enter the name of the buyer.", param="name")
    for name, longest in _MAX_LENGTHS.items():
        text = getattr(title, name)
        if len(text) > longest or not text.isprintable():
            raise FapiaoTitleInvalid(
                f"`{name}` can have at most {longest} printable characters.", param=name
            )
    if title.email and not is_email_address(title.email):
        raise FapiaoTitleInvalid("Enter a valid e-mail address.", param="email")
    return title


def _validated_tax_number(text: str) -> str:
    """Return a tax number without separators; empty stays empty. Raises FapiaoTitleInvalid."""
    number = uscc.compact(text)
    if number and not (uscc.is_valid(number) or _is_self_employed_number(number)):
        raise FapiaoTitleInvalid(
            "The tax number is not valid: check its 18 characters and the last one, which is a "
            "check digit.",
            param="tax_number",
        )
    return number


def _is_self_employed_number(number: str) -> bool:
    """Return whether a number is a valid identity card's, alone or with two digits after it."""
    suffix = number[_IDENTITY_CARD_LENGTH:]
    is_long = len(number) == _SELF_EMPLOYED_LENGTH and suffix.isascii() and suffix.isdecimal()
    is_card = len(number) == _IDENTITY_CARD_LENGTH
    return (is_card or is_long) and ric.is_valid(number[:_IDENTITY_CARD_LENGTH])
