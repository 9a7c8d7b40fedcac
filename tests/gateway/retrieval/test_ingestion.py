"""Ingestion of files into vector stores: batches, failures, retries, expiry, lost processes."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from openai import APIStatusError, BadRequestError

from gateway.retrieval import chunker_process, chunks, ingestion_jobs, store_files
from infra.work_queue import RetryPolicy
from tests.gateway.retrieval.firm import MANUAL, RETRIEVING, Firm
from tests.support import builders
from tests.support.builders import Limited, credit
from tests.support.clocks import ShiftedClock
from tests.support.fakes.upstream import FakeUpstream
from tests.support.fleet import run_fleet
from tests.support.gateway.customers import client, code_of

in_process = pytest.mark.usefixtures("cut_in_process")
MANY = "\n\n".join(f"Station {n}: check gauge G{n:05}." for n in range(400))
TINY: Any = {
    "type": "static",
    "static": {"max_chunk_size_tokens": 100, "chunk_overlap_tokens": 0},
}


class TestVectorStoreFiles:
    async def test_file_is_listed_read_updated_and_removed(self, firm: Firm) -> None:
        api = firm.openai.vector_stores
        store = await firm.store(MANUAL, "grease the bearing")
        listed = [one async for one in api.files.list(store, limit=1)]
        assert [one.status for one in listed] == ["completed", "completed"]
        assert all(one.usage_bytes > 1000 for one in listed)
        file = listed[-1].id
        assert [one.id for one in (await api.files.list(store, before=file)).data] == [listed[0].id]
        read = await api.files.content(file, vector_store_id=store)
        assert "F30001" in (read.data[0].text or "")
        changed = await api.files.update(file, vector_store_id=store, attributes={"line": 3})
        assert changed.attributes == {"line": 3}
        assert (await api.files.delete(file, vector_store_id=store)).deleted
        assert "F30001" not in str(await firm.finds(store, "F30001"))
        assert (await firm.openai.files.retrieve(file)).id == file
        with pytest.raises(APIStatusError) as caught:
            await api.files.retrieve(file, vector_store_id=store)
        assert code_of(caught.value) == "vector_store_file_not_found"

    @in_process
    async def test_deleted_file_is_removed_from_search(self, firm: Firm) -> None:
        store = await firm.store(MANUAL)
        file = (await firm.openai.vector_stores.files.list(store)).data[0].id
        await firm.openai.files.delete(file)
        assert await firm.finds(store, "F30001") == []
        assert (await firm.openai.vector_stores.retrieve(store)).file_counts.total == 0

    @in_process
    async def test_file_added_twice_is_indexed_and_billed_once(self, firm: Firm) -> None:
        file = await firm.sends()
        store = (await firm.openai.vector_stores.create(file_ids=[file, file])).id
        await firm.ready(store)
        again = await firm.openai.vector_stores.files.create(store, file_id=file)
        assert again.status == "completed"
        await firm.gateway.rows(1)
        anew = await firm.openai.vector_stores.files.create(
            store, file_id=file, chunking_strategy=TINY
        )
        assert anew.status == "in_progress"
        assert (await firm.ready(store)).file_counts.total == 1
        await firm.gateway.rows(2)

    @in_process
    async def test_file_batch_is_ingested_with_attributes(self, firm: Firm) -> None:
        api = firm.openai.vector_stores
        ids = [await firm.sends(f"text {n}", f"{n}.txt") for n in range(3)]
        store = (await api.create()).id
        batch = await api.file_batches.create_and_poll(
            store, file_ids=ids[:2], attributes={"line": "a"}, poll_interval_ms=50
        )
        assert (batch.status, batch.file_counts.completed) == ("completed", 2)
        listed = await api.file_batches.list_files(batch.id, vector_store_id=store)
        assert {one.id for one in listed.data} == set(ids[:2])
        await api.file_batches.create(
            store, files=[{"file_id": ids[2], "attributes": {"line": "b"}}]
        )
        await firm.ready(store)
        assert (await api.files.retrieve(ids[2], vector_store_id=store)).attributes == {"line": "b"}

    async def test_batch_with_an_invalid_file_adds_no_file(self, firm: Firm) -> None:
        api = firm.openai.vector_stores
        store, file = (await api.create()).id, await firm.sends()
        for given in (
            {"file_ids": [file, "file_1"]},
            {},
            {"file_ids": [file], "files": [{"file_id": file}]},
        ):
            answer = await firm.gateway.http.post(
                f"/v1/vector_stores/{store}/file_batches", json=given
            )
            assert answer.status_code in (400, 404)
        assert (await api.retrieve(store)).file_counts.total == 0

    @in_process
    async def test_cancelled_batch_is_not_searchable(
        self, firm: Firm, upstream: FakeUpstream
    ) -> None:
        upstream.embeddings_do = "hang"
        api = firm.openai.vector_stores
        store = (await api.create()).id
        batch = await api.file_batches.create(store, file_ids=[await firm.sends()])
        over = await api.file_batches.cancel(batch.id, vector_store_id=store)
        assert (over.status, over.file_counts.cancelled) == ("cancelled", 1)
        upstream.embeddings_do = ""
        assert await firm.finds(store, "F30001") == []

    async def test_unsupported_or_unknown_file_is_rejected(self, firm: Firm) -> None:
        store = (await firm.openai.vector_stores.create()).id
        learning = await firm.openai.files.create(file=("a.jsonl", b"{}"), purpose="fine-tune")
        for file, code in (
            (await firm.sends("x", "a.doc"), "unsupported_file"),
            (learning.id, "invalid_value"),
            ("file_" + "0" * 32, "file_not_found"),
        ):
            with pytest.raises(APIStatusError) as caught:
                await firm.openai.vector_stores.files.create(store, file_id=file)
            assert code_of(caught.value) == code

    async def test_files_are_filtered_by_purpose(self, firm: Firm) -> None:
        await firm.sends()
        assert len((await firm.openai.files.list(purpose="user_data")).data) == 1
        for other in ("fine-tune", "nobody's"):
            assert (await firm.openai.files.list(purpose=other)).data == []
        with pytest.raises(BadRequestError, match="NUL"):
            await firm.openai.files.list(purpose="a\x00b")


def retry_at_once(monkeypatch: pytest.MonkeyPatch, max_attempts: int) -> None:
    policy = RetryPolicy(max_attempts=max_attempts)
    monkeypatch.setattr(ingestion_jobs, "QUEUE", replace(ingestion_jobs.QUEUE, retry=policy))


class TestIngestionFailures:
    async def failed(self, firm: Firm, content: str | bytes, name: str) -> Any:
        file = await firm.sends(content, name)
        store = (await firm.openai.vector_stores.create(file_ids=[file])).id
        assert (await firm.ready(store)).file_counts.failed == 1
        return (
            await firm.openai.vector_stores.files.retrieve(file, vector_store_id=store)
        ).last_error

    async def test_binary_file_fails_as_invalid_file(self, firm: Firm) -> None:
        error = await self.failed(firm, b"\x89PNG\x00", "a.txt")
        assert error.code == "invalid_file"
        assert "not text in UTF-8" in error.message

    @in_process
    async def test_file_over_the_chunk_limit_fails(
        self, firm: Firm, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(chunks, "MAX_CHUNKS", 0)
        error = await self.failed(firm, MANUAL, "a.md")
        assert error.code == "knowledge_full"

    async def test_chunker_timeout_fails_as_invalid_file(
        self, firm: Firm, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(chunker_process, "_TIMES", chunker_process.TimeLimits(total_s=0.0))
        error = await self.failed(firm, MANUAL, "a.md")
        assert error.code == "invalid_file"

    async def test_store_over_the_file_limit_is_rejected(
        self, firm: Firm, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(store_files, "MAX_FILES", 1)
        ids = [await firm.sends(), await firm.sends()]
        with pytest.raises(APIStatusError) as caught:
            await firm.openai.vector_stores.create(file_ids=ids)
        assert code_of(caught.value) == "too_many_vector_store_files"
        assert (await firm.openai.vector_stores.list()).data == []

    @in_process
    async def test_ingestion_without_credit_fails(self, limited: Limited) -> None:
        async with limited(credit(1)) as gateway, client(gateway.url, gateway.key.secret) as openai:
            error = await self.failed(Firm(gateway, openai), MANUAL, "a.md")
            assert error.code == "credit_exhausted"

    @in_process
    async def test_ingestion_is_retried_while_the_model_is_unavailable(
        self, firm: Firm, upstream: FakeUpstream, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        retry_at_once(monkeypatch, max_attempts=10_000)
        upstream.embeddings_do = "fault"
        file = await firm.sends()
        store = (await firm.openai.vector_stores.create(file_ids=[file])).id
        async with asyncio.timeout(20):
            while len(upstream.received) < 2:  # noqa: ASYNC110  # the model server has no event
                await asyncio.sleep(0.02)
        assert (await firm.openai.vector_stores.retrieve(store)).status == "in_progress"
        upstream.embeddings_do = ""
        assert (await firm.ready(store)).file_counts.completed == 1

    @in_process
    async def test_ingestion_fails_after_its_last_attempt(
        self, firm: Firm, upstream: FakeUpstream, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        retry_at_once(monkeypatch, max_attempts=3)
        upstream.embeddings_do = "fault"
        error = await self.failed(firm, MANUAL, "a.md")
        assert error.code == "server_error"
        upstream.embeddings_do = ""

    @in_process
    async def test_chunk_too_long_for_the_model_is_shortened(
        self, firm: Firm, upstream: FakeUpstream
    ) -> None:
        upstream.longest_embedded = 700
        store = await firm.store("code " * 250, name="a.txt")
        assert len((await firm.finds(store, "code"))[0].content[0].text) > 700


class TestVectorStoreExpiry:
    @in_process
    async def test_expired_store_is_not_searchable_and_loses_its_files(
        self, limited: Limited
    ) -> None:
        clock = ShiftedClock()
        async with (
            limited(builders.PLENTY, clock) as gateway,
            client(gateway.url, gateway.key.secret) as openai,
        ):
            firm = Firm(gateway, openai)
            store = await firm.store(MANUAL, expires_after=ONE_DAY)
            clock.to(clock.now() + timedelta(days=1))
            assert (await openai.vector_stores.retrieve(store)).status == "expired"
            with pytest.raises(APIStatusError) as caught:
                await firm.finds(store, "F30001")
            assert code_of(caught.value) == "vector_store_expired"
            async with gateway.parts.database.transaction() as session:
                await ingestion_jobs.delete_expired_files(session, clock)
            assert (await openai.vector_stores.retrieve(store)).file_counts.total == 0


class TestIngestionAfterProcessLoss:
    async def test_ingestion_resumes_without_billing_a_chunk_twice(
        self, database_url: str, tmp_path: Any, upstream: FakeUpstream
    ) -> None:
        # Other processes take over a killed process's work once its row has expired, after 3 s.
        timing = replace(builders.BUSY, process_ttl_s=3.0, process_renew_s=0.5)
        configured = builders.settings(database_url, tmp_path, upstream.url, timing=timing)
        parts = builders.build_parts(configured, builders.SystemClock(), builders.CATALOG)
        _, key = await builders.customer(parts.database, configured)
        await parts.database.close()
        async with run_fleet(configured, 1) as fleet:
            async with client(fleet.urls[0], key.secret) as openai:
                file = await openai.files.create(
                    file=("many.txt", MANY.encode()), purpose="user_data"
                )
                upstream.delay_embeddings_s = 0.3
                store = (
                    await openai.vector_stores.create(file_ids=[file.id], chunking_strategy=TINY)
                ).id
                while len(upstream.received) < 3:  # noqa: ASYNC110
                    await asyncio.sleep(0.02)
            fleet.members.pop().kill()
            upstream.delay_embeddings_s = 0.0
            member = await fleet.start()
            async with client(member.url, key.secret) as openai:
                for _ in range(600):
                    found = await openai.vector_stores.retrieve(store)
                    if found.status == "completed":
                        break
                    await asyncio.sleep(0.1)
                assert found.file_counts.completed == 1
                usage = (await member_usage(member.url, key.secret))["data"]
        billed = sum(row["input_tokens"] for row in usage if row["settlement"] == "complete")
        sent = [text for body in upstream.received for text in body["input"]]
        once = {text: len(text.split()) for text in sent}
        assert len(sent) - len(once) <= 16  # one call was lost with its process
        assert billed <= sum(once.values())
        assert {row["model"] for row in usage} == {RETRIEVING.id}


async def member_usage(url: str, secret: str) -> Any:
    async with builders.httpx.AsyncClient(base_url=url) as http:
        headers = {"authorization": f"Bearer {secret}"}
        return (await http.get("/v1/usage?limit=1000", headers=headers)).json()


ONE_DAY: Any = {"anchor": "last_active_at", "days": 1}
