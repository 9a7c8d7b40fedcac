"""Recording of events while a response is generated: numbers, identity, few writes, replays."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from gateway.responses.attempts import AttemptSpan
from gateway.responses.recording import EventRecorder
from infra.database.database import DatabaseUnavailable

KEPT = {"id": "resp_1", "background": True}
NEVER_S = 3600.0


@dataclass
class Log:
    """What was written; the next writes fail, lose their result after it, or find that nothing more
    is wanted. The row of a span that was written is not written again."""

    rows: list[tuple[AttemptSpan, list[dict[str, Any]]]] = field(default_factory=list)
    failures: int = 0
    lost_results: int = 0
    is_wanted: bool = True

    async def write(self, span: AttemptSpan, events: bytes) -> bool:
        if self.failures:
            self.failures -= 1
            raise DatabaseUnavailable("gone")
        blocks = events.decode().split("\n\n")[:-1]
        row = (span, [json.loads(one.split("\ndata: ")[1]) for one in blocks])
        if row not in self.rows:
            self.rows.append(row)
        if self.lost_results:
            self.lost_results -= 1
            raise DatabaseUnavailable("gone after the commit")
        return self.is_wanted

    @property
    def events(self) -> list[dict[str, Any]]:
        return [event for _, events in self.rows for event in events]

    @property
    def numbers(self) -> list[int]:
        return [event["sequence_number"] for event in self.events]


def sent(kind: str, number: int, **fields: Any) -> bytes:
    """An event as the call sends it."""
    data = json.dumps({"type": kind, **fields, "sequence_number": number})
    return f"event: {kind}\ndata: {data}\n\n".encode()


def stream(deltas: int, ending: str = "completed") -> bytes:
    """The events of a call that answers with so many parts of a text."""
    response = {"id": "resp_inner", "status": "in_progress", "background": False}
    begin = [sent(f"response.{kind}", n, response=response) for n, kind in
             enumerate(("created", "in_progress"))]  # fmt: skip
    texts = [sent("response.output_text.delta", 2 + n, delta=f"{n} ") for n in range(deltas)]
    ended = {**response, "status": ending}
    return b"".join([*begin, *texts, sent(f"response.{ending}", 2 + deltas, response=ended)])


def recorder(
    log: Log, attempt: int = 1, before: AttemptSpan | None = None, flush_s: float = NEVER_S
) -> EventRecorder:
    return EventRecorder(log.write, attempt, before, KEPT, flush_s)


async def record(one: EventRecorder, data: bytes, headers: Mapping[str, str] | None = None) -> None:
    one.begin(headers or {})
    one.add(data)
    await one.finish()


async def test_events_are_numbered_and_have_the_identity_of_the_response() -> None:
    log = Log()
    one = recorder(log)
    await record(one, stream(2))
    assert log.numbers == [1, 2, 3]
    assert [event["type"] for event in log.events][:2] == [
        "response.in_progress", "response.output_text.delta",
    ]  # fmt: skip
    assert log.events[0]["response"] == {
        "id": "resp_1",
        "status": "in_progress",
        "background": True,
    }
    assert one.final is not None
    assert one.final["response"]["status"] == "completed"


async def test_bytes_may_be_split_anywhere_and_comments_are_left_out() -> None:
    log = Log()
    one = recorder(log)
    one.begin({})
    for byte in b": keep-alive\n\n" + stream(2):
        one.add(bytes([byte]))
    await one.finish()
    assert log.numbers == [1, 2, 3]


async def test_thousand_events_within_a_period_are_two_writes() -> None:
    log = Log()
    one = recorder(log)
    one.begin({})
    whole = stream(1_000)
    for start in range(0, len(whole), 200):
        one.add(whole[start : start + 200])
        await asyncio.sleep(0)
    assert len(log.rows) == 1
    assert log.numbers[0] == 1
    await one.finish()
    assert log.numbers == list(range(1, 1_002))
    assert len(log.rows) <= 4  # a row has at most 64 KiB
    assert [span.first for span, _ in log.rows[1:]] == [span.last + 1 for span, _ in log.rows[:-1]]


async def test_generated_again_the_numbers_go_on() -> None:
    log = Log()
    await record(recorder(log, 2, AttemptSpan(1, 1, 7)), stream(1))
    assert [span for span, _ in log.rows] == [AttemptSpan(2, 8, 9)]


async def test_replay_of_the_answer_goes_on_where_its_events_stopped() -> None:
    log = Log()
    one = recorder(log, 2, AttemptSpan(1, 1, 3))
    await record(one, stream(4), {"idempotent-replayed": "true"})
    assert [span for span, _ in log.rows] == [AttemptSpan(1, 4, 5)]
    assert [event["delta"] for event in log.events] == ["2 ", "3 "]


async def test_database_that_was_gone_gets_the_events_later() -> None:
    log = Log(failures=1)
    one = recorder(log)
    one.begin({})
    one.add(stream(3))
    await asyncio.sleep(0)
    assert (log.failures, log.rows) == (0, [])
    await one.finish()
    assert log.numbers == [1, 2, 3, 4]


async def test_events_of_a_lost_commit_are_written_again_as_the_same_row() -> None:
    """Else the numbers of the row that is there would be taken, and no later event be written."""
    log = Log(lost_results=1)
    one = recorder(log)
    one.begin({})
    whole = stream(3)
    half = whole.index(sent("response.output_text.delta", 3, delta="1 "))
    one.add(whole[:half])
    await asyncio.sleep(0)
    assert (log.lost_results, log.numbers) == (0, [1, 2])
    one.add(whole[half:])
    await one.finish()
    assert log.numbers == [1, 2, 3, 4]


async def test_last_events_are_written_again_after_a_lost_commit() -> None:
    """Else the answer would be generated again."""
    log = Log()
    one = recorder(log)
    one.begin({})
    one.add(stream(3))
    log.lost_results = 1
    await one.finish()
    assert (log.lost_results, log.numbers) == (0, [1, 2, 3, 4])


async def test_last_events_that_cannot_be_written_twice_raise() -> None:
    log = Log(failures=2)
    one = recorder(log)
    one.begin({})
    one.add(stream(3))
    with pytest.raises(DatabaseUnavailable):
        await one.finish()
    assert log.rows == []


async def test_cancelled_response_gets_no_further_events() -> None:
    log = Log(is_wanted=False)
    one = recorder(log)
    one.begin({})
    half = len(stream(3)) // 2
    one.add(stream(3)[:half])
    await asyncio.sleep(0)
    assert len(log.rows) == 1
    one.add(stream(3)[half:])
    await one.finish()
    assert len(log.rows) == 1
    assert one.final is not None


async def test_failure_is_not_recorded() -> None:
    log = Log()
    one = recorder(log)
    failing = sent("error", 9, code="model_failed") + stream(0, "failed")
    await record(one, failing)
    assert log.numbers == [1]
    assert one.final is not None
    assert one.final["type"] == "response.failed"
