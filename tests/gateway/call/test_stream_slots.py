"""Slots of streams: bounded by account and process, counted when they are taken, freed once."""

import pytest

from gateway.call.errors import TooManyStreams
from gateway.call.stream_slots import MAX_STREAMS, MAX_STREAMS_OF_ACCOUNT, StreamSlots
from infra import ids


def test_streams_of_an_account_are_bounded_and_given_back_once() -> None:
    slots, account = StreamSlots(), ids.new_id()
    taken = [slots.take(account) for _ in range(MAX_STREAMS_OF_ACCOUNT)]
    with pytest.raises(TooManyStreams):
        slots.take(account)
    slots.take(ids.new_id()).close()
    for slot in taken:
        slot.close()
        slot.close()
    assert slots.count(account) == 0
    with slots.take(account):
        assert slots.count(account) == 1


def test_streams_of_a_process_are_bounded() -> None:
    slots = StreamSlots()
    taken = [slots.take(ids.new_id()) for _ in range(MAX_STREAMS)]
    with pytest.raises(TooManyStreams):
        slots.take(ids.new_id())
    taken[0].close()
    assert slots.take(ids.new_id())
