"""`maas usage`: filters, text output and --follow."""

import asyncio
import json
import os
import signal
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from billing.accounts.profiles import update_profile
from billing.metering.usage import REQUEST_ID_PREFIX, UsageRecord, insert_usage
from billing.rating.quantities import Quantities
from billing.tables import Settlement
from gateway.access.api_keys import PREFIX as KEY_PREFIX
from gateway.cli.billing.usage_filters import UsageFilterInvalid, parse_time_option
from infra import ids
from infra.database.database import Database
from tests.support.gateway.commands import Maas
from tests.support.maas_process import MAAS

NOW = datetime.now(UTC)


async def call(maas: Maas, ago: timedelta = timedelta(), **values: Any) -> str:
    """Insert the usage row of a call. Returns its request id as shown."""
    record = UsageRecord(
        **{
            "request_id": ids.new_id(),
            "account_id": maas.firm.account.id,
            "key_id": None,
            "operation": "chat",
            "model": "m-1",
            "streamed": False,
            "settlement": Settlement.COMPLETE,
            "status": 200,
            "error_code": None,
            "quantities": Quantities(input_tokens=21, output_tokens=9),
            "cost_nano": 0,
            "currency": "CNY",
            "started_at": NOW - ago,
            "duration_us": 1,
            "first_chunk_us": None,
            **values,
        }
    )
    async with maas.firm.story.database.transaction() as session:
        await insert_usage(session, [record])
    return ids.format_id(REQUEST_ID_PREFIX, record.request_id)


def refused(status: int, code: str) -> dict[str, Any]:
    settlement = Settlement.REFUSED
    return {"settlement": settlement, "status": status, "error_code": code, "currency": None}


async def listed(maas: Maas, *options: str) -> list[str]:
    return [row["request_id"] for row in await maas.say("usage", *options)]


class TestUsageFilters:
    async def test_since_and_until_bound_the_start_time_of_calls(self, maas: Maas) -> None:
        old, middle, new = [await call(maas, timedelta(hours=hours)) for hours in (72, 30, 0.5)]
        assert await listed(maas, "--since", "1h") == [new]
        assert await listed(maas, "--since", "2d") == [new, middle]
        assert await listed(maas, "--until", "2d") == [old]
        day = (NOW - timedelta(days=10)).date().isoformat()
        assert await listed(maas, "--since", day, "--until", "20h") == [middle, old]

    async def test_status_filters_by_code_class_or_settlement(self, maas: Maas) -> None:
        good = await call(maas, timedelta(minutes=4))
        limited = await call(maas, timedelta(minutes=3), **refused(429, "rate_limit_exceeded"))
        absent = await call(maas, timedelta(minutes=2), **refused(404, "model_not_found"))
        assert await listed(maas, "--status", "429") == [limited]
        assert await listed(maas, "--status", "4xx") == [absent, limited]
        assert await listed(maas, "--status", "refused") == [absent, limited]
        assert await listed(maas, "--status", "404", "--status", "complete") == [absent, good]

    async def test_error_filters_by_code_or_any_error(self, maas: Maas) -> None:
        await call(maas, timedelta(minutes=4))
        limited = await call(maas, timedelta(minutes=3), **refused(429, "rate_limit_exceeded"))
        absent = await call(maas, timedelta(minutes=2), **refused(404, "model_not_found"))
        assert await listed(maas, "--error", "model_not_found") == [absent]
        both = ("--error", "model_not_found", "--error", "rate_limit_exceeded")
        assert await listed(maas, *both) == [absent, limited]
        assert await listed(maas, "--error", "any") == [absent, limited]

    async def test_calls_are_filtered_by_model_key_and_tag(self, maas: Maas) -> None:
        made = await maas.say("keys", "create", "Acme", "--name", "line 1")
        tags, key_id = {"order": "A-17", "line": "2"}, ids.parse_id(KEY_PREFIX, made["id"])
        one = await call(maas, timedelta(minutes=4), tags=tags, key_id=key_id)
        two = await call(maas, timedelta(minutes=3), model="m-2")
        assert await listed(maas, "--model", "m-2") == [two]
        assert await listed(maas, "--model", "m-2", "--model", "m-1") == [two, one]
        assert await listed(maas, "--key", made["id"]) == [one]
        assert await listed(maas, "--account", "Acme", "--key", "line 1") == [one]
        assert await listed(maas, "--tag", "order=A-17", "--tag", "line=2") == [one]
        assert await listed(maas, "--tag", "order=A-18") == []

    @pytest.mark.parametrize(
        "options",
        [
            ("--since", "yesterday"),
            ("--status", "600"),
            ("--status", "lost"),
            ("--tag", "order"),
            ("--error", "No such code"),
            ("--key", "no such name"),
        ],
    )
    async def test_invalid_filter_value_is_rejected(
        self, maas: Maas, options: tuple[str, str]
    ) -> None:
        assert await maas.refuse("usage", *options) == "usage_filter_invalid"

    def test_duration_before_the_first_date_is_rejected(self) -> None:
        with pytest.raises(UsageFilterInvalid):
            parse_time_option("999999w", NOW, ZoneInfo("UTC"), "--since")


class TestUsageTextOutput:
    async def test_call_is_shown_with_id_and_time_in_the_account_time_zone(
        self, maas: Maas
    ) -> None:
        at = datetime(2026, 5, 4, 20, 0, tzinfo=UTC)
        async with maas.firm.story.database.transaction() as session:
            await update_profile(session, maas.firm.account.id, time_zone="America/New_York")
        shown = await call(maas, started_at=at)
        told = await maas.tell("usage")
        assert shown in told
        assert "2026-05-04 16:00:00" in told
        assert "21 in, 9 out" in told
        assert "reasoning" not in told
        # Times without a zone are in the account's time zone.
        assert await listed(maas, "--account", "Acme", "--since", "2026-05-04T15:59") == [shown]
        assert await listed(maas, "--account", "Acme", "--since", "2026-05-04T16:01") == []


class TestUsageFollow:
    async def test_new_calls_are_printed_once_in_order_of_insertion(
        self, maas: Maas, database: Database
    ) -> None:
        before = await call(maas, timedelta(minutes=1))
        environment = {**os.environ, **maas.environment}
        process = await asyncio.create_subprocess_exec(
            *(MAAS, "usage", "--follow", "--json", "--model", "m-1"),
            env=environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        assert process.stdout is not None

        async def said() -> str:
            line = await asyncio.wait_for(process.stdout.readline(), 60)  # type: ignore[union-attr]
            request_id: str = json.loads(line)["request_id"]
            return request_id

        assert await said() == before
        # A call that started earlier but was recorded later is still new.
        late = await call(maas, timedelta(hours=1))
        await call(maas, model="m-2")
        last = await call(maas)
        assert [await said(), await said()] == [late, last]
        process.send_signal(signal.SIGINT)
        out, err = await asyncio.wait_for(process.communicate(), 30)
        assert (process.returncode, out, err) == (0, b"", b"")
