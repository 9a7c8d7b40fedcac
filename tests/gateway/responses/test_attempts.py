"""Where streams of background responses begin, also after the response was generated again."""

import pytest

from gateway.responses.attempts import AttemptSpan, StreamPosition, start_position

FIRST, SECOND = AttemptSpan(1, 1, 8), AttemptSpan(3, 9, 12)


@pytest.mark.parametrize(
    ("spans", "starting_after", "position"),
    [
        ((), None, StreamPosition(0)),
        ((), 7, StreamPosition(7)),
        ((FIRST,), None, StreamPosition(0, 1, 1)),
        ((FIRST,), 0, StreamPosition(0, 1, 1)),
        ((FIRST,), 5, StreamPosition(5, 1, 1)),
        ((FIRST,), 20, StreamPosition(20, 1, 1)),
        ((FIRST, SECOND), None, StreamPosition(8, 3, 9)),
        ((FIRST, SECOND), 1, StreamPosition(8, 3, 9)),
        ((FIRST, SECOND), 9, StreamPosition(9, 3, 9)),
        ((FIRST, SECOND), 10, StreamPosition(10, 3, 9)),
        ((FIRST, SECOND), 2, None),
        ((FIRST, SECOND), 8, None),
    ],
)
def test_stream_begins_in_the_newest_attempt(
    spans: tuple[AttemptSpan, ...], starting_after: int | None, position: StreamPosition | None
) -> None:
    assert start_position(spans, starting_after) == position


def test_client_with_a_part_of_an_answer_gets_no_other_answer() -> None:
    begun = StreamPosition(0).advanced(1, 1, 1)
    assert begun.can_get(2)
    told = begun.advanced(1, 2, 2)
    assert (told.can_get(1), told.can_get(2)) == (True, False)
    again = begun.advanced(2, 2, 2)
    assert (again.after, again.can_get(3)) == (2, True)
