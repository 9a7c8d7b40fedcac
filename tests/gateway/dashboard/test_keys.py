"""Key pages: creation, limits, scope, rotation and revocation; each change is logged once."""

import re
from typing import Any

import httpx
from sqlmodel import col, select

from billing.tables import ApiKey
from gateway.access.api_keys import PREFIX
from gateway.access.key_scopes import Scope, change_scope, scope_of
from gateway.identity.audit_log import CLI_ACTOR, list_account_entries
from gateway.identity.roles import Role
from infra import ids
from tests.support.builders import CHAT, EMBEDDING, SPECIALIST
from tests.support.dashboard.firm import Firm
from tests.support.dashboard.looking import Looker, looker, words

_SECRET = re.compile(r"maas_[0-9A-Za-z]{38}")


def own_key(firm: Firm) -> str:
    return ids.format_id(PREFIX, firm.gateway.key.row.id)


def form_id(page: str) -> str:
    found = re.search(r'name="id" value="(key_\w+)"', page)
    assert found is not None
    return found[1]


async def creates(who: Looker, name: str = "line 1", **fields: Any) -> tuple[str, str]:
    """Create a key with the form. Returns its id and secret."""
    key = form_id(await who.page("/dashboard/keys/new"))
    answer = await who.send("/dashboard/keys", id=key, name=name, **fields)
    assert answer.status_code == 200
    found = _SECRET.search(answer.text)
    assert found is not None
    return key, found[0]


async def rows(firm: Firm) -> dict[str, ApiKey]:
    async with firm.gateway.parts.database.transaction() as session:
        query = select(ApiKey).where(col(ApiKey.account_id) == firm.gateway.account.id)
        return {ids.format_id(PREFIX, row.id): row for row in (await session.scalars(query)).all()}


async def actions(firm: Firm) -> list[str]:
    """Actions of key entries in the audit log, newest first."""
    async with firm.gateway.parts.database.transaction() as session:
        found = await list_account_entries(session, firm.gateway.account.id)
    return [one.action for one in found if one.action.startswith("key.") and one.email]


async def status(firm: Firm, secret: str) -> int:
    headers = {"authorization": f"Bearer {secret}"}
    return (await firm.gateway.http.get("/v1/models", headers=headers)).status_code


async def models(firm: Firm) -> httpx.Response:
    return await firm.gateway.http.get("/v1/models")


async def until_known(firm: Firm) -> None:
    """Wait until the gateway has applied the change, at most one second."""
    await firm.gateway.caught_up()


class TestKeyList:
    async def test_each_key_shows_last_use_and_spend(self, firm: Firm) -> None:
        await creates(firm.owner)
        said = words(await firm.owner.page("/dashboard/keys"))
        assert f"test {firm.gateway.key.row.hint} Active Within the last hour < CN¥0.01" in said
        assert "Active Never CN¥0.00" in said

    async def test_account_without_active_keys_sees_an_empty_state(self, office: Firm) -> None:
        await office.owner.send(f"/dashboard/keys/{own_key(office)}/revoke")
        said = words(await office.owner.page("/dashboard/keys"))
        assert "No active keys" in said
        assert "Revoked and expired keys (1)" in said


class TestKeyCreation:
    async def test_secret_is_shown_once_and_authenticates(self, office: Firm) -> None:
        key, secret = await creates(office.owner)
        assert await status(office, secret) == 200
        for address in ("/dashboard/keys", f"/dashboard/keys/{key}"):
            assert secret not in await office.owner.page(address)
        assert await actions(office) == ["key.created"]

    async def test_repeated_submission_creates_one_key(self, office: Firm) -> None:
        key = form_id(await office.owner.page("/dashboard/keys/new"))
        await office.owner.send("/dashboard/keys", id=key, name="line 1")
        again = await office.owner.send("/dashboard/keys", id=key, name="line 1")
        assert again.headers["location"] == f"/dashboard/keys/{key}"
        assert len(await rows(office)) == 2

    async def test_limits_in_the_form_are_stored_and_shown(self, office: Firm) -> None:
        key, _ = await creates(office.owner, budget="12.5", requests="60", tokens="", streams="2")
        assert (await rows(office))[key].monthly_budget_nano == 12_500_000_000
        page = await office.owner.page(f"/dashboard/keys/{key}")
        values = re.findall(
            r'name="(budget|requests|tokens|streams)" type="text" value="(.*?)"', page
        )
        assert dict(values) == {"budget": "12.50", "requests": "60", "tokens": "", "streams": "2"}
        assert "CN¥0.00 / CN¥12.50" in words(page)

    async def test_errors_are_shown_beside_their_fields(self, office: Firm) -> None:
        for fields, said in (
            ({"name": " "}, "Enter a name of 1 to 100 printable characters."),
            ({"name": "x" * 101}, "Enter a name of 1 to 100 printable characters."),
            ({"budget": "12,50"}, "Enter an amount such as 500 or 12.50, without a currency."),
            ({"budget": "-1"}, "Enter an amount such as 500 or 12.50, without a currency."),
            ({"tokens": "1.5"}, "Enter a whole number, or leave empty for no limit."),
            ({"budget": "9999999999"}, "This limit is too large. Enter a smaller number."),
        ):
            key = ids.format_id(PREFIX, ids.new_id())
            answer = await office.owner.send(
                "/dashboard/keys", **{"id": key, "name": "a", **fields}
            )
            assert answer.status_code == 422
            assert said in words(answer.text)
            assert form_id(answer.text) == key
            assert key not in await rows(office)


class TestKeyChanges:
    async def test_new_name_is_saved_and_logged_once(self, office: Firm) -> None:
        address = f"/dashboard/keys/{own_key(office)}"
        assert (await office.owner.send(f"{address}/name", name="press 7")).status_code == 303
        await office.owner.send(f"{address}/name", name="press 7")
        assert "press 7" in words(await office.owner.page("/dashboard/keys"))
        assert await actions(office) == ["key.renamed"]
        assert (await office.owner.send(f"{address}/name", name="")).status_code == 422

    async def test_new_limits_are_saved_and_enforced(self, office: Firm) -> None:
        address = f"/dashboard/keys/{own_key(office)}"
        for _ in range(2):
            answer = await office.owner.send(f"{address}/limits", budget="0", requests="5")
            assert answer.status_code == 303
        assert await actions(office) == ["key.limits_changed"]
        await until_known(office)
        # The gateway enforces the budget of 0.
        refused = await office.gateway.chat("now")
        assert refused.json()["error"]["code"] == "budget_exhausted"
        await office.owner.send(f"{address}/limits", budget="", daily_budget="2", total_budget="30")
        shown = await office.owner.page(address)
        assert "This key has no monthly budget." in shown
        assert all(part in words(shown) for part in ("Daily budget", "¥30.00", "Resets at"))
        assert 'value="30' in shown

    async def test_invalid_limit_is_rejected_with_the_input_kept(self, office: Firm) -> None:
        address = f"/dashboard/keys/{own_key(office)}"
        answer = await office.owner.send(f"{address}/limits", budget="many")
        assert answer.status_code == 422
        assert 'value="many"' in answer.text
        assert "Enter an amount such as 500 or 12.50" in answer.text


class TestKeyScope:
    async def test_calls_to_models_outside_the_scope_are_rejected(self, office: Firm) -> None:
        address = f"/dashboard/keys/{own_key(office)}"
        for _ in range(2):
            answer = await office.owner.send(f"{address}/scope", **{f"model:{SPECIALIST}": "on"})
            assert answer.status_code == 303
        page = await office.owner.page(address)
        assert f'name="model:{SPECIALIST}" checked' in page
        assert f"Models {SPECIALIST} Networks Any network" in words(page)
        await until_known(office)
        refused = await office.gateway.chat("now")
        assert (refused.status_code, refused.json()["error"]["code"]) == (403, "model_not_allowed")
        listed = (await office.gateway.http.get("/v1/models")).json()["data"]
        assert [one["id"] for one in listed] == [SPECIALIST]
        await office.owner.send(f"{address}/scope", **{f"model:{CHAT}": "on", "model:none": "on"})
        await until_known(office)
        assert (await office.gateway.chat("now")).status_code == 200
        assert await actions(office) == ["key.scope_changed"] * 2

    async def test_calls_from_networks_outside_the_scope_are_rejected(self, office: Firm) -> None:
        address = f"/dashboard/keys/{own_key(office)}"
        wrong = await office.owner.send(f"{address}/scope", networks="home")
        assert wrong.status_code == 422
        assert "such as 203.0.113.7" in wrong.text
        await office.owner.send(f"{address}/scope", networks="203.0.113.7")
        assert 'value="203.0.113.7/32"' in await office.owner.page(address)
        await until_known(office)
        for answer in (await office.gateway.chat("now"), await models(office)):
            assert answer.status_code == 403
            assert answer.json()["error"]["code"] == "api_key_network"
        await office.owner.send(f"{address}/scope", networks="203.0.113.7, 127.0.0.0/8")
        await until_known(office)
        assert (await models(office)).status_code == 200

    async def test_network_restriction_applies_to_new_and_rotated_key(self, office: Firm) -> None:
        key, secret = await creates(office.owner, networks="10.0.0.0/8")
        assert await status(office, secret) == 403
        answer = await office.owner.send(f"/dashboard/keys/{key}/rotate", overlap="1")
        found = _SECRET.search(answer.text)
        assert found is not None
        assert await status(office, found[0]) == 403

    async def test_submitting_the_unchanged_form_keeps_the_scope(self, office: Firm) -> None:
        key = own_key(office)
        scope = Scope([CHAT], None, ["default", "flex"])
        account = office.gateway.account.id
        async with office.gateway.parts.database.transaction() as session:
            place = CLI_ACTOR, account, office.gateway.key.row.id, scope
            await change_scope(session, office.gateway.parts.clock, *place)
        page = await office.owner.page(f"/dashboard/keys/{key}")
        checked = dict.fromkeys(re.findall(r'name="(\w+:\S+)" checked', page), "on")
        await office.owner.send(f"/dashboard/keys/{key}/scope", networks="", **checked)
        assert scope_of((await rows(office))[key]) == scope

    async def test_key_for_a_removed_model_keeps_its_model_restriction(self, office: Firm) -> None:
        """Without the restriction, the key could call all models."""
        key = own_key(office)
        async with office.gateway.parts.database.transaction() as session:
            await change_scope(
                session,
                office.gateway.parts.clock,
                CLI_ACTOR,
                office.gateway.account.id,
                office.gateway.key.row.id,
                Scope(["minilm-l6-v2"]),
            )
        page = await office.owner.page(f"/dashboard/keys/{key}")
        checked = dict.fromkeys(re.findall(r'name="(\w+:\S+)" checked', page), "on")
        assert checked == {"model:minilm-l6-v2": "on"}
        await office.owner.send(f"/dashboard/keys/{key}/scope", networks="127.0.0.1", **checked)
        assert scope_of((await rows(office))[key]).models == ["minilm-l6-v2"]
        await until_known(office)
        refused = await office.gateway.http.post(
            "/v1/embeddings", json={"model": EMBEDDING, "input": "a"}
        )
        assert refused.json()["error"]["code"] == "model_not_allowed"

    async def test_unselected_service_tiers_are_rejected(self, office: Firm) -> None:
        address = f"/dashboard/keys/{own_key(office)}"
        only = {"tier:default": "on", "tier:flex": "on"}
        assert (await office.owner.send(f"{address}/scope", **only)).status_code == 303
        page = await office.owner.page(address)
        assert 'name="tier:flex" checked' in page
        assert 'name="tier:priority" checked' not in page
        assert "Service tiers default, flex" in words(page)
        assert "default, flex" in words(await office.owner.page("/dashboard/keys"))
        assert (await rows(office))[own_key(office)].service_tiers == ["default", "flex"]
        await until_known(office)
        refused = await office.gateway.chat("now", service_tier="priority")
        assert refused.json()["error"]["code"] == "service_tier_not_available"
        assert "This API key" in refused.json()["error"]["message"]
        assert (await office.gateway.chat("now", service_tier="flex")).status_code == 200
        audit = words(await office.owner.page("/dashboard/audit"))
        assert "Service tiers: All → default, flex" in audit

    async def test_key_for_flex_tier_rejects_calls_at_the_default_tier(self, office: Firm) -> None:
        address = f"/dashboard/keys/{own_key(office)}"
        await office.owner.send(f"{address}/scope", **{"tier:flex": "on"})
        await until_known(office)
        refused = await office.gateway.chat("now")
        assert refused.json()["error"]["code"] == "service_tier_not_available"

    async def test_new_key_has_only_known_service_tiers(self, office: Firm) -> None:
        key, _ = await creates(office.owner, **{"tier:priority": "on", "tier:gold": "on"})
        assert (await rows(office))[key].service_tiers == ["priority"]

    async def test_invalid_network_is_rejected_with_the_selected_tiers_kept(
        self, office: Firm
    ) -> None:
        address = f"/dashboard/keys/{own_key(office)}"
        answer = await office.owner.send(
            f"{address}/scope", **{"tier:flex": "on", "networks": "home"}
        )
        assert answer.status_code == 422
        assert 'name="tier:flex" checked' in answer.text


class TestKeyRotation:
    async def test_new_key_has_the_limits_of_the_rotated_key(self, office: Firm) -> None:
        key, secret = await creates(office.owner, budget="7", streams="3")
        answer = await office.owner.send(f"/dashboard/keys/{key}/rotate", overlap="24")
        found = _SECRET.search(answer.text)
        assert found is not None
        assert "The previous key stays valid for 1 day" in words(answer.text)
        assert await status(office, secret) == await status(office, found[0]) == 200
        (fresh,) = [one for one, row in (await rows(office)).items() if row.replaces]
        page = await office.owner.page(f"/dashboard/keys/{fresh}")
        assert 'value="7.00"' in page
        assert 'value="3"' in page
        assert "Being rotated" in words(await office.owner.page(f"/dashboard/keys/{key}"))
        again = await office.owner.send(f"/dashboard/keys/{key}/rotate", overlap="24")
        assert again.status_code == 422
        assert "This key was already rotated" in again.text
        assert len(await rows(office)) == 3

    async def test_rotation_without_overlap_expires_the_old_key(self, office: Firm) -> None:
        key, _ = await creates(office.owner)
        answer = await office.owner.send(f"/dashboard/keys/{key}/rotate", overlap="0")
        assert "which is no longer valid" in answer.text
        assert "Expired" in words(await office.owner.page(f"/dashboard/keys/{key}"))

    async def test_unknown_overlap_returns_404(self, office: Firm) -> None:
        answer = await office.owner.send(f"/dashboard/keys/{own_key(office)}/rotate", overlap="9")
        assert answer.status_code == 404


class TestKeyRevocation:
    async def test_repeated_revocation_is_logged_once(self, office: Firm) -> None:
        key, _ = await creates(office.owner)
        for _ in range(2):
            answer = await office.owner.send(f"/dashboard/keys/{key}/revoke")
            assert answer.headers["location"] == "/dashboard/keys"
        page = await office.owner.page(f"/dashboard/keys/{key}")
        assert "Revoked" in words(page)
        assert "/rotate" not in page
        assert await actions(office) == ["key.revoked", "key.created"]


class TestKeyAccess:
    async def test_each_role_can_change_only_what_it_may(self, office: Firm) -> None:
        gateway, key = office.gateway, own_key(office)
        address = f"/dashboard/keys/{key}"
        allowed = {
            Role.DEVELOPER: {"name", "limits", "scope", "rotate"},
            Role.FINANCE: {"limits"},
            Role.VIEWER: set[str](),
        }
        for role, may in allowed.items():
            async with looker(gateway.url, gateway.parts, gateway.account.id, role) as one:
                page = await one.page(address)
                await one.page("/dashboard/keys/new", 200 if "rotate" in may else 403)
                for what in ("name", "limits", "scope", "rotate"):
                    answer = await one.send(f"{address}/{what}", name="a", overlap="x")
                    assert (answer.status_code == 403) is (what not in may), (role, what)
                    assert (f'action="{address}/{what}"' in page) is (what in may)

    async def test_keys_of_another_account_return_404(self, office: Firm) -> None:
        key = own_key(office)
        address = f"/dashboard/keys/{key}"
        await office.stranger.page(address, 404)
        fields = {"name": "mine", "overlap": "0", "budget": "1"}
        for what in ("name", "limits", "scope", "rotate", "revoke"):
            assert (await office.stranger.send(f"{address}/{what}", **fields)).status_code == 404
        taken = await office.stranger.send("/dashboard/keys", id=key, name="mine")
        assert (await office.stranger.http.get(taken.headers["location"])).status_code == 404
        row = (await rows(office))[key]
        assert (row.name, row.revoked_at, row.expires_at) == ("test", None, None)

    async def test_unknown_key_returns_404(self, office: Firm) -> None:
        for key in ("x", "key_x", f"key_{'0' * 32}"):
            await office.owner.page(f"/dashboard/keys/{key}", 404)
            assert (await office.owner.send(f"/dashboard/keys/{key}/revoke")).status_code == 404
