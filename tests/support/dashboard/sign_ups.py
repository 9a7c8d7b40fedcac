"""The sign-up form, the code by e-mail, and settings of payments by WeChat Pay."""

import re
from pathlib import Path
from typing import Any

from infra.clock import SystemClock
from tests.support.builders import Gateway
from tests.support.fakes.payments.alipay import run_fake_alipay
from tests.support.fakes.payments.wechat_pay import FakeWeChatPay
from tests.support.gateway.desks import PASSWORD, Desk
from tests.support.gateway.signing_up import VERSIONS, credit_code
from tests.support.stories.payment_story import payment_settings
from tests.support.stories.story import Calendar

SIGN_UP = "/dashboard/sign-up"


async def payment_values(wechat_pay: FakeWeChatPay, folder: Path) -> dict[str, Any]:
    """Settings of payments by WeChat Pay; no HTTPS, so that browsers keep their session."""
    async with run_fake_alipay(SystemClock()) as alipay:
        values = payment_settings(wechat_pay, alipay, folder)
    kept = {name: value for name, value in values.items() if not name.startswith("alipay")}
    return {**kept, "public_url": "http://maas.example"}


def fields(number: int = 1, **values: str) -> dict[str, str]:
    """A valid form of a company of its own."""
    return {
        "company_name": f"Ningbo Works {number} <b>Ltd</b>",
        "credit_code": credit_code(number),
        "contact_name": "Li Xuemei",
        "email": f"li@plant{number}.example",
        "password": PASSWORD,
        "terms_version": VERSIONS["terms"],
        "privacy_version": VERSIONS["privacy"],
        "accepted": "yes",
        **values,
    }


async def mailed_code(gateway: Gateway) -> str:
    """The code of the latest e-mail."""
    parts = gateway.parts
    desk = Desk(parts.database, Calendar(), parts.identity)
    (*_, (_, _, text)) = await desk.mails("signup_code")
    found = re.search(r"^\d{6}$", text, re.MULTILINE)
    assert found is not None
    return found[0]
