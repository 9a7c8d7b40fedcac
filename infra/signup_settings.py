"""Settings of sign-up, a part of `infra.settings.Settings`."""

import re
from decimal import Decimal
from pathlib import Path
from typing import Annotated

from pydantic import Field
from pydantic_settings import BaseSettings

_AMOUNT = r"\d{1,9}(\.\d{1,9})?"
_PLAN = r"[A-Za-z_]\w{0,99}"
# Compiled by `re`: pydantic's own engine takes 20 MiB for the letters of all scripts.
_GRANTS = re.compile(rf"^{_AMOUNT}(\s*,\s*{_PLAN}\s*=\s*{_AMOUNT})*\Z")
_PLAN_NAME = re.compile(rf"^{_PLAN}\Z")


class SignupSettings(BaseSettings):
    """Whether and how companies open accounts themselves."""

    sign_up: bool = Field(
        False,
        description="whether companies can open an account themselves; needs "
        "MAAS_SIGN_UP_TEXTS_DIR",
    )
    sign_up_texts_dir: Path | None = Field(
        None,
        description="directory with `terms.en.md`, `terms.zh.md`, `privacy.en.md` and "
        "`privacy.zh.md`, which a person accepts to sign up",
    )
    sign_up_grant: str = Field(
        "0",
        pattern=_GRANTS,
        description="starting grant in the currency of new accounts, such as `20`, or with other "
        "amounts for plans, such as `20, team=50`; 0: none",
    )
    sign_up_grant_days: Annotated[int, Field(ge=1, le=3650)] = Field(
        90, description="days after which a starting grant expires"
    )
    sign_up_credit_limit: Annotated[Decimal, Field(ge=0, le=10**9, decimal_places=9)] = Field(
        Decimal(0),
        description="credit limit of an account opened by sign-up: 0 means that it pays in advance",
    )
    sign_up_plan: str | None = Field(
        None,
        pattern=_PLAN_NAME,
        description="public plan of a sign-up that names none; unset: list prices",
    )
    sign_up_network_grants: Annotated[int, Field(ge=1, le=10_000)] = Field(
        1,
        description="starting grants for a network (/24, /64) within a day without a review; "
        "accounts are opened all the same",
    )
    sign_up_hourly_limit: Annotated[int, Field(ge=1, le=10**6)] = Field(
        1_000, description="sign-ups that are started within an hour, over all networks"
    )
    sign_up_disposable_domains: Path | None = Field(
        None,
        description="file with further domains of disposable mailboxes, one a line; `!domain` "
        "accepts a domain of the built-in list",
    )
