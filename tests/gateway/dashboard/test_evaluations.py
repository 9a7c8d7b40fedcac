"""Evaluation pages: the form with its price, the run, results, CSV, and who may do what."""

import csv
import io
import json
from typing import Any

import httpx
import pytest

from gateway.identity.audit_log import list_account_entries
from gateway.identity.roles import Role
from tests.support.builders import CHAT, INDUSTRIAL
from tests.support.dashboard.firm import Firm
from tests.support.dashboard.looking import looker, words
from tests.support.fakes.upstream import FakeUpstream
from tests.support.gateway.evaluator import QUESTIONS, Evaluator
from tests.support.nightly import nightly

PAGE = "/dashboard/evaluations"


class Office:
    """An account whose owner evaluates models on the pages."""

    def __init__(self, firm: Firm, evaluator: Evaluator) -> None:
        self.firm = firm
        self.evaluator = evaluator
        self.key = f"key_{firm.gateway.key.row.id.hex}"

    async def quote(self, content: bytes | None = None, **fields: Any) -> httpx.Response:
        """Submit the form, with a question file unless `content` is empty."""
        if content is None:
            content = "\n".join(json.dumps(one) for one in QUESTIONS).encode()
        upload = ("q.jsonl" if content else "", content)
        values = {"model": CHAT, "against": "", "max_tokens": "8", "max_cost": "", **fields}
        return await self.firm.owner.http.post(
            f"{PAGE}/new/quote",
            data={"csrf": self.firm.owner.csrf, "key": self.key, **values},
            files={"upload": upload},
        )

    async def start(self, **fields: Any) -> str:
        """Start a run on an uploaded file and return its id when it has ended."""
        file = await self.evaluator.upload()
        values = {"model": CHAT, "against": "", "max_tokens": "8", "max_cost": "", **fields}
        answer = await self.firm.owner.send(f"{PAGE}/new", file=file, key=self.key, **values)
        assert answer.status_code == 303, answer.text
        run = answer.headers["location"].rpartition("/")[2]
        await self.evaluator.ended(run)
        return str(run)


@pytest.fixture
async def desk(office: Firm, upstream: FakeUpstream) -> Office:
    return Office(office, Evaluator(office.gateway, upstream))


class TestForm:
    async def test_price_is_shown_before_the_run_starts(self, desk: Office) -> None:
        answer = await desk.quote(against=INDUSTRIAL)
        said = words(answer.text)
        assert answer.status_code == 200
        assert "Maximum cost CN¥" in said
        assert "Start evaluation" in said
        assert desk.evaluator.upstream.received == []
        assert "No evaluations yet" in await desk.firm.owner.page(PAGE)

    async def test_rejected_file_is_shown_with_lines(self, desk: Office) -> None:
        answer = await desk.quote(b'{"question": "x"}\n{"question": "x", "expected": "!"}')
        said = words(answer.text)
        assert answer.status_code == 422
        assert "The file has 2 problems." in said
        assert "Give exactly one of expected , expected_any" in said
        assert "What to do" in said

    @pytest.mark.parametrize(
        ("fields", "said"),
        [
            ({"max_tokens": "many"}, "Enter a whole number from 1 to 32,768."),
            ({"max_cost": "much"}, "Enter an amount such as 12.50"),
            ({"max_cost": "0.000000001"}, "This does not cover a single question."),
            ({"against": CHAT}, "Select another model to compare with."),
        ],
    )
    async def test_invalid_field_is_marked(
        self, desk: Office, fields: dict[str, Any], said: str
    ) -> None:
        answer = await desk.quote(**fields)
        assert (answer.status_code, said in words(answer.text)) == (422, True)
        assert 'aria-invalid="true"' in answer.text

    async def test_form_without_a_file_asks_for_one(self, desk: Office) -> None:
        answer = await desk.quote(b"")
        assert (answer.status_code, "Select a file" in answer.text) == (422, True)

    async def test_file_deleted_after_the_quote_is_asked_for_again(self, desk: Office) -> None:
        fields = {"model": CHAT, "against": "", "max_tokens": "8", "max_cost": "", "key": desk.key}
        answer = await desk.firm.owner.send(f"{PAGE}/new", file="file_" + "0" * 32, **fields)
        assert (answer.status_code, "Select a file" in answer.text) == (422, True)
        assert "No evaluations yet" in await desk.firm.owner.page(PAGE)

    async def test_key_of_another_account_returns_404(self, desk: Office) -> None:
        answer = await desk.quote(key="key_" + "0" * 32)
        assert answer.status_code == 404


class TestRun:
    async def test_results_are_shown_with_audit_entry(self, desk: Office) -> None:
        run = await desk.start(against=INDUSTRIAL)
        said = words(await desk.firm.owner.page(f"{PAGE}/{run}"))
        for text in ("Completed", "100%", "3 of 3", "How much pressure?", "5 bar", "Correct"):
            assert text in said
        assert "show no difference between" in said
        listed = words(await desk.firm.owner.page(PAGE))
        assert f"against {INDUSTRIAL}" in listed
        gateway = desk.firm.gateway
        async with gateway.parts.database.transaction() as session:
            entry, *_ = await list_account_entries(session, gateway.account.id)
        assert (entry.action, entry.subject) == ("evaluation.created", run)
        assert "Started an evaluation" in words(await desk.firm.owner.page("/dashboard/audit"))

    async def test_differing_questions_are_filtered_and_exported(self, desk: Office) -> None:
        desk.evaluator.upstream.replies = lambda model, prompt: (
            "B" if "A or B" in prompt else ("5 bar" if model == CHAT else "=9 bar")
        )
        run = await desk.start(against=INDUSTRIAL)
        page = words(await desk.firm.owner.page(f"{PAGE}/{run}?differing=true"))
        assert "How much pressure?" in page
        assert "A or B?" not in page
        sheet = await desk.firm.owner.http.get(f"{PAGE}/{run}/results.csv?differing=true")
        rows = list(csv.DictReader(io.StringIO(sheet.content.decode("utf-8-sig"))))
        assert [row["id"] for row in rows] == ["pressure"]
        assert rows[0][f"answer ({INDUSTRIAL})"] == "'=9 bar"
        assert rows[0][f"correct ({CHAT})"] == "True"

    async def test_open_run_shows_progress_and_can_be_cancelled_continued_and_deleted(
        self, desk: Office
    ) -> None:
        await desk.firm.gateway.parts.evaluation_runner.stop()
        run, owner = (await desk.evaluator.create())["id"], desk.firm.owner
        page = await owner.page(f"{PAGE}/{run}")
        assert 'hx-trigger="every 2s"' in page
        part = await owner.http.get(f"{PAGE}/{run}/progress", headers={"hx-request": "true"})
        assert "hx-refresh" not in part.headers
        assert (await owner.send(f"{PAGE}/{run}/cancel")).status_code == 303
        part = await owner.http.get(f"{PAGE}/{run}/progress", headers={"hx-request": "true"})
        assert part.headers["hx-refresh"] == "true"
        assert "Canceled" in words(await owner.page(f"{PAGE}/{run}"))
        refused = await owner.send(f"{PAGE}/{run}/resume", max_cost="much")
        assert refused.status_code == 422
        assert "Enter an amount such as 12.50" in refused.text
        assert (await owner.send(f"{PAGE}/{run}/resume")).status_code == 303
        assert "Queued" in words(await owner.page(f"{PAGE}/{run}"))
        await owner.send(f"{PAGE}/{run}/cancel")
        assert (await owner.send(f"{PAGE}/{run}/delete")).status_code == 303
        await owner.page(f"{PAGE}/{run}", 404)
        said = words(await owner.page("/dashboard/audit?about=evaluation"))
        for action in ("Canceled", "Continued", "Deleted"):
            assert f"{action} an evaluation · {run}" in said
        assert f"API key Started an evaluation · {run}" in said

    async def test_viewer_reads_and_developer_starts(self, desk: Office) -> None:
        run, gateway = await desk.start(), desk.firm.gateway
        for role, status in ((Role.VIEWER, 403), (Role.DEVELOPER, 200)):
            async with looker(gateway.url, gateway.parts, gateway.account.id, role) as one:
                await one.page(f"{PAGE}/{run}")
                await one.page(f"{PAGE}/new", status)

    @nightly
    async def test_pages_are_in_chinese(self, desk: Office) -> None:
        run, gateway = await desk.start(against=INDUSTRIAL), desk.firm.gateway
        async with looker(gateway.url, gateway.parts, gateway.account.id, language="zh") as one:
            said = words(await one.page(f"{PAGE}/{run}"))
            assert "95 % 置信区间" in said
            assert "问题文件" in words(await one.page(f"{PAGE}/new"))
