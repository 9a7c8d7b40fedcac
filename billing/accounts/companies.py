"""Companies of accounts: credit codes, comparable names, and which account a company has.

A unified social credit code (GB 32100-2015) is checked with python-stdnum. Whether the code belongs
to the company of that name cannot be checked offline.
"""

import tomllib
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from types import MappingProxyType
from uuid import UUID

from sqlalchemy import func, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, or_, select
from stdnum.cn import uscc

from billing.tables import AccountCompany
from infra.clock import Clock
from infra.errors import AppError

_MAX_NAME_LENGTH, _MAX_CODE_LENGTH = 100, 40
# First characters of names; a name that begins with = + - @ would be a formula in a spreadsheet.
_OPENING = "(\uff08\u300a"
_FORMS_FILE = files("billing.accounts").joinpath("legal_forms.toml")
_LEGAL_FORMS: Mapping[str, str] = MappingProxyType(
    tomllib.loads(_FORMS_FILE.read_text("utf-8"))["forms"]
)


class CompanyInvalid(AppError):
    """The company's name or credit code is not valid; `param` names the field."""

    status = 400
    type = "invalid_request_error"
    code = "company_invalid"


@dataclass(frozen=True, slots=True)
class CompanyAccount:
    """An account with the same credit code, or a comparable name."""

    account_id: UUID
    credit_code: str | None


def validate_company_name(text: str) -> str:
    """Return the name with single blanks. Raises CompanyInvalid.

    Only printable characters, the first a letter or digit: names stand in e-mails and CSV files.
    """
    name = " ".join(text[: _MAX_NAME_LENGTH * 2].split())
    if not 2 <= len(name) <= _MAX_NAME_LENGTH or not name.isprintable():
        raise CompanyInvalid(
            "Enter the company's name with 2 to 100 printable characters.", param="company_name"
        )
    if not (name[0].isalnum() or name[0] in _OPENING) or not company_name_key(name):
        raise CompanyInvalid(
            "The company's name must begin with a letter or digit.", param="company_name"
        )
    return name


def validate_credit_code(text: str) -> str | None:
    """Return a unified social credit code in capitals, None if empty. Raises CompanyInvalid."""
    compact = uscc.compact(unicodedata.normalize("NFKC", text[:_MAX_CODE_LENGTH]))
    if not compact:
        return None
    if not compact.isascii() or not uscc.is_valid(compact):
        raise CompanyInvalid(
            "The unified social credit code is not valid: check its 18 characters and the last "
            "one, which is a check digit.",
            param="credit_code",
        )
    return compact


def company_name_key(name: str) -> str:
    """Return a name for comparison: letters and digits only, one spelling of the legal form."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    key = "".join(letter for letter in folded if letter.isalnum())
    for spelling, compared in _LEGAL_FORMS.items():
        key = key.replace(spelling, compared)
    return key


async def lock_company(session: AsyncSession, name_key: str, credit_code: str | None) -> None:
    """Serialize changes of a company by name and code until the transaction ends."""
    keys = {f"name:{name_key}", *([f"code:{credit_code}"] if credit_code else [])}
    for key in sorted(keys):
        await session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(key, 52))))


async def find_company_accounts(
    session: AsyncSession, name_key: str, credit_code: str | None
) -> list[CompanyAccount]:
    """Return the accounts with this credit code or comparable name, oldest first."""
    same_name = col(AccountCompany.name_key) == name_key
    same_code = col(AccountCompany.credit_code) == credit_code
    condition = same_name if credit_code is None else or_(same_name, same_code)
    query = (
        select(AccountCompany.account_id, AccountCompany.credit_code)
        .where(condition)
        .order_by(col(AccountCompany.account_id))
        .limit(20)
    )
    return [CompanyAccount(*row) for row in (await session.execute(query)).all()]


async def register_company(
    session: AsyncSession,
    clock: Clock,
    account_id: UUID,
    name: str,
    credit_code: str | None = None,
) -> None:
    """Store the company of an account; a credit code that is given replaces an unknown one.

    Raises CompanyInvalid if another account has the credit code.
    """
    taken = select(AccountCompany.account_id).where(
        col(AccountCompany.credit_code) == credit_code,
        col(AccountCompany.account_id) != account_id,
    )
    if credit_code is not None and (await session.execute(taken)).first() is not None:
        raise CompanyInvalid("Another account has this credit code.", param="credit_code")
    inserting = insert(AccountCompany).values(
        account_id=account_id,
        name_key=company_name_key(name),
        credit_code=credit_code,
        created_at=clock.now(),
    )
    known = func.coalesce(inserting.excluded.credit_code, col(AccountCompany.credit_code))
    await session.execute(
        inserting.on_conflict_do_update(
            index_elements=["account_id"],
            set_={"name_key": inserting.excluded.name_key, "credit_code": known},
        )
    )


async def release_company(session: AsyncSession, account_id: UUID) -> str | None:
    """Remove the credit code and name of an account's company, so that another account can have it.

    Returns the credit code that the account had.
    """
    row = await session.get(AccountCompany, account_id, with_for_update=True)
    if row is None:
        return None
    code = row.credit_code
    # The account's own id: no company compares equal to it.
    await session.execute(
        update(AccountCompany)
        .where(col(AccountCompany.account_id) == account_id)
        .values(credit_code=None, name_key=f"released {account_id.hex}")
    )
    return code
