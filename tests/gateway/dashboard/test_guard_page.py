"""The guard page: rules that an owner adds and removes, what others may, and checks of texts."""

import re
from collections.abc import AsyncIterator

import pytest

from gateway.access.api_keys import PREFIX as KEY_PREFIX
from gateway.identity.roles import Role
from infra import ids
from tests.support.builders import CHAT, EMBEDDING, PLENTY, Limited
from tests.support.clocks import ShiftedClock
from tests.support.dashboard.firm import Firm, looked_at
from tests.support.dashboard.looking import looker, words
from tests.support.fakes.guard_model import FakeGuardModel, run_fake_guard_model
from tests.support.fakes.upstream import FakeUpstream
from tests.support.gateway.checking import set_guard
from tests.support.gateway.moderating import GUARD, QWEN_GUARD, moderating

PAGE, RULES = "/dashboard/guard", "/dashboard/guard/rules"
WORDS = {"kind": "words", "words": "falcon\n猎鹰", "action": "refuse", "applies_to": "both"}
PHONES = {"kind": "personal_data", "category:phone": "on", "action": "mask", "applies_to": "input"}


def version_of(page: str) -> str:
    found = re.search(r'name="version" value="(\w+)"', page)
    assert found is not None
    return found[1]


async def test_owner_adds_rules_that_calls_follow_and_removes_them(office: Firm) -> None:
    assert (await office.owner.send(RULES, **WORDS)).status_code == 303
    assert (await office.owner.send(RULES, **PHONES)).status_code == 303
    page = await office.owner.page(PAGE)
    said = words(page)
    assert "Words falcon, 猎鹰 Refuse the text Requests and answers" in said
    assert "Personal data Phone numbers Mask the match Requests" in said
    await office.gateway.until(400, "the falcon")
    await office.owner.send(f"{RULES}/0/remove", version=version_of(page))
    await office.gateway.until(200, "the falcon")
    page = await office.owner.page(PAGE)
    await office.owner.send(f"{RULES}/0/remove", version=version_of(page))
    assert "No rules" in words(await office.owner.page(PAGE))


async def test_rule_is_kept_if_the_rules_changed_meanwhile(office: Firm) -> None:
    await office.owner.send(RULES, **WORDS)
    seen = version_of(await office.owner.page(PAGE))
    await office.owner.send(RULES, **PHONES)
    await office.owner.send(f"{RULES}/0/remove", version=seen)
    assert "falcon" in words(await office.owner.page(PAGE))


async def test_error_stands_beside_the_field(office: Firm) -> None:
    answer = await office.owner.send(RULES, **{**WORDS, "words": "--"})
    assert answer.status_code == 422
    assert re.search(r'<textarea id="words"[^>]*aria-invalid="true"', answer.text)


async def test_rule_without_a_category_is_an_error(office: Firm) -> None:
    answer = await office.owner.send(RULES, kind="personal_data", action="mask", applies_to="both")
    assert answer.status_code == 422
    assert 'role="alert"' in answer.text


async def test_developer_reads_and_another_account_sees_nothing(office: Firm) -> None:
    await office.owner.send(RULES, **WORDS)
    gateway = office.gateway
    async with looker(gateway.url, gateway.parts, gateway.account.id, Role.DEVELOPER) as developer:
        page = await developer.page(PAGE)
        assert "falcon" in words(page)
        assert "Remove rule" not in words(page)
        assert (await developer.send(RULES, **PHONES)).status_code == 403
    assert "falcon" not in await office.stranger.page(PAGE)


async def test_page_shows_the_guard_model_in_use(office: Firm) -> None:
    model = {"kind": "model", "action": "refuse", "applies_to": "both", "model": "llama-guard"}
    await set_guard(office.gateway, model)
    said = words(await office.owner.page(PAGE))
    assert "Verdict of a guard model llama-guard" in said
    assert "If the guard model does not answer (3000 ms): Refuse the text" in said


@pytest.fixture
async def safety() -> AsyncIterator[FakeGuardModel]:
    async with run_fake_guard_model() as fake:
        yield fake


@pytest.fixture
async def guarded(
    limited: Limited, safety: FakeGuardModel, upstream: FakeUpstream
) -> AsyncIterator[Firm]:
    """An account of a deployment with guard models."""
    upstream.listed, clock = [CHAT, EMBEDDING], ShiftedClock()
    catalog = moderating(safety.url)
    async with limited(PLENTY, clock=clock, catalog=catalog) as gateway:
        async with looked_at(gateway, clock) as firm:
            yield firm


async def test_text_is_checked_for_its_price_with_a_key_of_the_account(guarded: Firm) -> None:
    key = ids.format_id(KEY_PREFIX, guarded.gateway.key.row.id)
    form = {"text": "an insult", "checked_by": QWEN_GUARD, "key": key}
    answer = await guarded.owner.send(f"{PAGE}/check", **form)
    said = words(answer.text)
    assert "The guard model flags this text. harassment, Unethical Acts · Controversial" in said
    row = await guarded.gateway.row()
    assert (row["operation"], row["tags"]) == ("moderation", {"source": "guard-page"})
    assert row["cost"] in said
    answer = await guarded.owner.send(f"{PAGE}/check", **{**form, "text": "a seal"})
    assert "The guard model does not flag this text." in words(answer.text)
    assert (await guarded.stranger.send(f"{PAGE}/check", **form)).status_code == 404


async def test_check_that_fails_says_why(guarded: Firm, safety: FakeGuardModel) -> None:
    safety.says = "perhaps"
    key = ids.format_id(KEY_PREFIX, guarded.gateway.key.row.id)
    form = {"text": "a seal", "checked_by": GUARD, "key": key}
    answer = await guarded.owner.send(f"{PAGE}/check", **form)
    assert answer.status_code == 422
    assert "did not answer with a verdict" in words(answer.text)
