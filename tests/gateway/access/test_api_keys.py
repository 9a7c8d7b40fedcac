"""API keys: their format, and their lifecycle as seen by every gateway."""

import asyncio
import re
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from billing.tables import ApiKey
from gateway.access import api_keys, key_format
from gateway.call.errors import KeyInvalid
from infra import ids
from infra.clock import SystemClock
from infra.secrets.secret_key import secret_key
from tests.support import builders
from tests.support.builders import Gateway, customer
from tests.support.fakes.upstream import FakeUpstream

CLOCK = SystemClock()


class StandingStill(SystemClock):
    """A clock on which `stood_still_s` more seconds passed than the process ran."""

    stood_still_s = 0.0

    def monotonic(self) -> float:
        return super().monotonic() + self.stood_still_s


class TestKeyFormat:
    def test_generated_key_is_well_formed(self) -> None:
        secret = key_format.generate_api_key()
        assert re.fullmatch(r"maas_[0-9A-Za-z]{38}", secret)
        assert key_format.is_well_formed(secret)
        assert secret != key_format.generate_api_key()

    @given(st.integers(5, key_format.KEY_LENGTH - 1), st.characters(codec="ascii"))
    def test_checksum_detects_one_wrong_character(self, place: int, character: str) -> None:
        secret = key_format.generate_api_key()
        wrong = secret[:place] + character + secret[place + 1 :]
        assert key_format.is_well_formed(wrong) is (wrong == secret)

    @given(st.text(max_size=60))
    def test_other_text_is_not_well_formed(self, text: str) -> None:
        assert not key_format.is_well_formed(text)


class TestKeyLifecycle:
    async def test_only_keyed_hash_and_hint_are_stored(self, gateway: Gateway) -> None:
        async with gateway.parts.database.transaction() as session:
            row = (await session.scalars(select(ApiKey))).one()
        secret = gateway.key.secret
        assert row.hash == api_keys.hash_secret(secret, secret_key(gateway.parts.settings))
        assert secret not in repr(row.model_dump())
        assert row.hint == f"{secret[:9]}…{secret[-4:]}"

    async def test_revoked_key_is_rejected_by_every_gateway(
        self, gateway: Gateway, upstream: FakeUpstream, database_url: str, tmp_path: Path
    ) -> None:
        configured = builders.settings(database_url, tmp_path, upstream.url)
        parts = builders.build_parts(configured, CLOCK, builders.CATALOG)
        async with builders.serve(parts) as second_url:
            for url in (gateway.url, second_url):
                assert (await self._status(gateway, url)) == 200
            await self._revoke(gateway)
            async with asyncio.timeout(20):
                for url in (gateway.url, second_url):
                    while (await self._status(gateway, url)) == 200:  # noqa: ASYNC110
                        await asyncio.sleep(0.02)
        answer = await gateway.chat("hi")
        assert (answer.status_code, answer.json()["error"]["code"]) == (401, "api_key_revoked")
        # The usage row shows the owner that the revoked key is still in use.
        row = await gateway.row()
        assert row["key_id"] == ids.format_id(api_keys.PREFIX, gateway.key.row.id)

    async def test_call_of_a_process_that_stood_still_is_answered(
        self, upstream: FakeUpstream, database_url: str, tmp_path: Path
    ) -> None:
        """Its last read of changes is old, but the database has not failed to answer."""
        clock = StandingStill()
        configured = builders.settings(database_url, tmp_path, upstream.url)
        async with builders.run_gateway(configured, clock=clock) as gateway:
            assert (await gateway.chat("hi")).status_code == 200
            clock.stood_still_s = 2 * configured.timing.database_gone_s
            assert (await gateway.chat("hi")).status_code == 200

    async def test_concurrent_calls_with_new_key_share_one_lookup(self, gateway: Gateway) -> None:
        """Also if the first caller is cancelled, and if the key does not exist."""
        authenticator, bearer = gateway.parts.authenticator, f"Bearer {gateway.key.secret}"
        with pytest.raises(KeyInvalid):  # compiles the query once, which may be slow
            await authenticator.identify(f"Bearer {key_format.generate_api_key()}")
        before = asyncio.all_tasks()
        first = asyncio.create_task(authenticator.identify(bearer))
        await asyncio.sleep(0)
        others = [asyncio.create_task(authenticator.identify(bearer)) for _ in range(200)]
        await asyncio.sleep(0)
        begun = asyncio.all_tasks() - before
        assert sum(task.get_name() == "key-look-up" for task in begun) == 1
        first.cancel()
        known = await asyncio.gather(*others)
        assert {one.principal.key_id for one in known} == {gateway.key.row.id}
        stranger = f"Bearer {key_format.generate_api_key()}"
        refused = await asyncio.gather(
            *(authenticator.identify(stranger) for _ in range(50)), return_exceptions=True
        )
        assert {type(one) for one in refused} == {KeyInvalid}

    async def test_key_change_of_one_account_keeps_cached_keys_of_others(
        self, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        parts = gateway.parts
        pool = parts.connections.calls._engine.pool
        monkeypatch.setattr(pool, "_timeout", 0.5)
        other, theirs = await customer(parts.database, parts.settings, "Other")
        calls = parts.connections.calls
        for secret in (gateway.key.secret, theirs.secret):
            assert await self._status_with(gateway, secret) == 200
        async with parts.database.transaction() as changing:
            await api_keys.revoke_key(changing, CLOCK, other.id, theirs.row.id)
        await gateway.caught_up()
        async with AsyncExitStack() as taken:
            for _ in range(calls.pool_size):
                session = await taken.enter_async_context(calls.transaction())
                await session.connection()
            assert await self._status_with(gateway, gateway.key.secret) == 200
            assert await self._status_with(gateway, theirs.secret) == 503

    async def test_rotated_key_is_valid_until_overlap_ends(self, gateway: Gateway) -> None:
        async with gateway.parts.database.transaction() as session:
            fresh = await api_keys.rotate_key(
                session,
                CLOCK,
                secret_key(gateway.parts.settings),
                gateway.account.id,
                gateway.key.row.id,
                timedelta(seconds=1.2),
            )
        assert (await gateway.chat("old key")).status_code == 200
        gateway.http.headers["authorization"] = f"Bearer {fresh.secret}"
        assert (await gateway.chat("new key")).status_code == 200
        gateway.http.headers["authorization"] = f"Bearer {gateway.key.secret}"
        answer = await gateway.until(401, "old key")
        assert answer.json()["error"]["code"] == "api_key_expired"
        gateway.http.headers["authorization"] = f"Bearer {fresh.secret}"
        assert (await gateway.chat("new key")).status_code == 200

    async def test_key_of_another_account_cannot_be_revoked(self, gateway: Gateway) -> None:
        parts = gateway.parts
        other, _ = await customer(parts.database, parts.settings, "Other")
        async with parts.database.transaction() as session:
            with pytest.raises(api_keys.KeyNotFound):
                await api_keys.revoke_key(session, CLOCK, other.id, gateway.key.row.id)
        assert (await gateway.chat("hi")).status_code == 200

    async def test_second_revocation_keeps_first_time(self, gateway: Gateway) -> None:
        first = await self._revoke(gateway)
        assert (await self._revoke(gateway)).revoked_at == first.revoked_at

    async def test_revoked_key_cannot_be_rotated(self, gateway: Gateway) -> None:
        await self._revoke(gateway)
        async with gateway.parts.database.transaction() as session:
            with pytest.raises(api_keys.KeyNotActive):
                await api_keys.rotate_key(
                    session, CLOCK, b"x" * 32, gateway.account.id, gateway.key.row.id, timedelta(1)
                )

    async def _status(self, gateway: Gateway, url: str) -> int:
        return (await gateway.http.get(f"{url}/v1/models")).status_code

    async def _status_with(self, gateway: Gateway, secret: str) -> int:
        headers = {"authorization": f"Bearer {secret}"}
        return (await gateway.http.get("/v1/models", headers=headers)).status_code

    async def _revoke(self, gateway: Gateway) -> ApiKey:
        async with gateway.parts.database.transaction() as session:
            return await api_keys.revoke_key(session, CLOCK, gateway.account.id, gateway.key.row.id)


class TestPublicIds:
    def test_formatted_id_is_parsed_back(self) -> None:
        identity = ids.new_id()
        assert ids.parse_id("key", ids.format_id("key", identity)) == identity

    @pytest.mark.parametrize(
        "text", ["", "key", "key_", "key_xyz", f"acct_{'0' * 32}", "key_" + "g" * 32]
    )
    def test_malformed_id_is_parsed_as_none(self, text: str) -> None:
        assert ids.parse_id("key", text) is None
