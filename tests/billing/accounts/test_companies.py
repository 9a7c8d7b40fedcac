"""Companies of accounts: names and codes that are compared, and who has them."""

import pytest

from billing.accounts.account_creation import open_account
from billing.accounts.companies import (
    CompanyInvalid,
    company_name_key,
    find_company_accounts,
    lock_company,
    register_company,
    release_company,
    validate_company_name,
    validate_credit_code,
)
from infra import ids
from infra.database.database import Database
from tests.support.billing.making import CLOCK, TERMS, sql

CODE, OTHER = "91110000600037341L", "91330200MA0000001L"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("宁波工厂有限责任公司", "宁波 工厂（有限公司）"),
        ("ACME Co., Ltd.", "Acme Company Limited"),
        ("Ａｃｍｅ Inc", "acme incorporated"),
    ],
)
def test_spellings_of_a_name_have_one_key(one: str, other: str) -> None:
    assert company_name_key(one) == company_name_key(other)


@pytest.mark.parametrize("name", ["", "x", "=1+1", "- a", "a\x00b", "（）", "n" * 101])
def test_invalid_names_are_rejected(name: str) -> None:
    with pytest.raises(CompanyInvalid):
        validate_company_name(name)


def test_valid_name_has_single_blanks() -> None:
    assert validate_company_name("（宁波）  Works ") == "（宁波） Works"


def test_credit_code_is_compact_and_its_check_digit_valid() -> None:
    assert validate_credit_code(" 9111 0000-600037341l ") == CODE
    assert validate_credit_code(" ") is None
    for wrong in (CODE[:-1] + "M", "123", "９" * 18, CODE + "0"):
        with pytest.raises(CompanyInvalid):
            validate_credit_code(wrong)


async def test_account_has_company_and_its_code_is_unique_until_released(
    database: Database,
) -> None:
    async with database.transaction() as session:
        one = await open_account(session, CLOCK, "Acme Co., Ltd.", "CNY", TERMS)
        other = await open_account(session, CLOCK, "Other", "CNY", TERMS)
        await lock_company(session, "acmecoltd", CODE)
        await register_company(session, CLOCK, one.id, one.name, CODE)
        await register_company(session, CLOCK, one.id, one.name)  # keeps the code
        with pytest.raises(CompanyInvalid):
            await register_company(session, CLOCK, other.id, other.name, CODE)
        for key, code in (("acmecoltd", None), ("x", CODE), ("acmecoltd", OTHER)):
            (found,) = await find_company_accounts(session, key, code)
            assert (found.account_id, found.credit_code) == (one.id, CODE)
    async with database.transaction() as session:
        assert await release_company(session, one.id) == CODE
        assert await release_company(session, ids.new_id()) is None
        assert await find_company_accounts(session, "acmecoltd", CODE) == []
        await register_company(session, CLOCK, other.id, other.name, CODE)
    assert await sql(database, "select count(*) from account_company") == [(2,)]
