"""Routing: where calls go, what their ends teach, and what may be sent twice."""

import asyncio
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import cast
from uuid import UUID

import pytest

from billing.rating.quantities import NO_USAGE
from gateway.asgi.exchange import ClientDisconnected
from gateway.call.errors import (
    BadRequest,
    InternalError,
    Unavailable,
    UpstreamBusy,
    UpstreamFailed,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from gateway.call.values import AdmittedCall, ParsedRequest, UpstreamRequest
from gateway.upstream.load_balancer import (
    CircuitState,
    InFlightCall,
    Router,
    is_retryable,
    parse_upstreams,
)
from models.catalog import Model, Task, Weights

A, B, C = "http://a:1", "http://b:2", "http://c:3"
ONE = UUID(int=1)
SAYS_NOTHING = (ClientDisconnected(), BadRequest("x"), asyncio.CancelledError())


@dataclass
class FakeClock:
    """Time that stands until a test moves it."""

    seconds: float = 1000.0

    def now(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return self.seconds


def ticket(model_id: str = "m") -> AdmittedCall:
    weights = Weights("hub", "x")
    model = Model(model_id, Task.TEXT_GENERATION, ("cpu",), "", "MIT", weights, {})
    ask = ParsedRequest(model, "/v1/chat/completions", b"{}", {}, lambda _: NO_USAGE)
    return cast(
        AdmittedCall, SimpleNamespace(request=ask, output_reservation=None)
    )  # routing reads nothing else of it


class Calls:
    """A router and a clock, and the ways in which calls end."""

    def __init__(self, serving_url: str) -> None:
        self.clock = FakeClock()
        self.router = Router(parse_upstreams(serving_url), self.clock)

    def route(self, model_id: str = "m", tried: Collection[str] = ()) -> UpstreamRequest:
        return self.router.route(ticket(model_id), ONE, tried)

    def chosen(self, count: int) -> list[str]:
        return [self.route().server for _ in range(count)]

    def start(self, model_id: str = "m") -> InFlightCall:
        return self.router.track(self.route(model_id)).__enter__()

    def call(self, error: BaseException | None = None, model_id: str = "m") -> None:
        end(self.start(model_id), error)

    def fail(self, times: int, error: BaseException | None = None) -> None:
        for _ in range(times):
            self.call(error or UpstreamFailed("broken"))

    def circuit(self, model_id: str = "m") -> CircuitState:
        return self.router.snapshot()[0].circuits[model_id]

    def outstanding(self) -> list[int]:
        return [server.outstanding for server in self.router.snapshot()]


def end(watch: InFlightCall, error: BaseException | None = None) -> None:
    watch.__exit__(None if error is None else type(error), error, None)


class TestChoice:
    def test_the_target_is_whole(self) -> None:
        calls = Calls("http://a:1/prefix/")
        target = calls.route()
        assert target.url == "http://a:1/prefix/v1/chat/completions"
        assert (target.server, target.request_id) == ("http://a:1/prefix", ONE)
        assert target.request.model.id == "m"

    def test_a_named_model_goes_to_its_entries_only(self) -> None:
        calls = Calls(f"{A} m={B} m={C}")
        assert set(calls.chosen(6)) == {B, C}
        assert calls.route("other").server == A
        assert calls.router.server_urls("m") == (B, C)
        assert calls.router.server_urls("other") == (A,)

    def test_a_model_without_a_server_is_said_to_be_so(self) -> None:
        calls = Calls(f"m={A}")
        with pytest.raises(Unavailable, match="'other' is not available") as caught:
            calls.route("other")
        assert not is_retryable(caught.value)
        assert calls.router.server_urls("other") == ()

    def test_equals_take_turns(self) -> None:
        assert Calls(f"{A} {B} {C}").chosen(6) == [A, B, C, A, B, C]

    def test_turns_stay_fair_while_one_is_left_out(self) -> None:
        calls = Calls(f"{A} {B} {C}")
        servers = [calls.route(tried=(B,)).server for _ in range(6)]
        assert servers == [A, C, A, C, A, C]

    def test_fewest_outstanding_calls_win(self) -> None:
        calls = Calls(f"{A} {B}")
        first = calls.start()
        second = calls.start()
        third = calls.start()
        assert calls.outstanding() == [2, 1]
        end(first)
        end(third)
        assert calls.outstanding() == [0, 1]
        assert calls.chosen(3) == [A, A, A]
        end(second)
        assert set(calls.chosen(2)) == {A, B}

    def test_load_counts_whichever_model_brings_it(self) -> None:
        calls = Calls(f"m={A} m={B} other={A}")
        calls.start("other")
        assert calls.chosen(2) == [B, B]

    @pytest.mark.parametrize("error", [UpstreamFailed("x"), *SAYS_NOTHING])
    def test_no_end_leaves_a_call_outstanding(self, error: BaseException) -> None:
        calls = Calls(A)
        with pytest.raises(type(error)), calls.router.track(calls.route()):
            raise error
        assert calls.outstanding() == [0]


class TestRetry:
    def test_only_what_was_never_taken(self) -> None:
        assert is_retryable(UpstreamUnreachable("x"))
        assert is_retryable(UpstreamBusy("x"))
        for error in UpstreamTimeout("x"), UpstreamFailed("x"), BadRequest("x"), Unavailable("x"):
            assert not is_retryable(error)
        assert not is_retryable(ClientDisconnected())

    def test_tried_servers_are_left_out_until_none_is_left(self) -> None:
        calls = Calls(f"{A} {B}")
        first = calls.route().server
        second = calls.route(tried=(first,)).server
        assert {first, second} == {A, B}
        assert calls.router.can_route(ticket(), (first,))
        assert not calls.router.can_route(ticket(), (first, second))
        with pytest.raises(UpstreamUnreachable):
            calls.route(tried=(first, second))


class TestOpening:
    @pytest.mark.parametrize(
        ("count", "error"),
        [(5, UpstreamFailed("x")), (5, UpstreamTimeout("x")), (2, UpstreamUnreachable("x"))],
    )
    def test_so_many_failures_open(self, count: int, error: BaseException) -> None:
        calls = Calls(A)
        calls.fail(count - 1, error)
        assert calls.circuit() is CircuitState.CLOSED
        calls.fail(1, error)
        assert calls.circuit() is CircuitState.OPEN

    def test_failures_to_connect_must_follow_each_other(self) -> None:
        calls = Calls(A)
        calls.fail(1, UpstreamUnreachable("x"))
        calls.fail(1)
        calls.fail(1, UpstreamUnreachable("x"))
        assert calls.circuit() is CircuitState.CLOSED

    def test_a_success_in_between_starts_anew(self) -> None:
        calls = Calls(A)
        calls.fail(4)
        calls.call()
        calls.fail(1, UpstreamUnreachable("x"))
        calls.call()
        calls.fail(1, UpstreamUnreachable("x"))
        calls.fail(3)
        assert calls.circuit() is CircuitState.CLOSED

    @pytest.mark.parametrize("error", [*SAYS_NOTHING, UpstreamBusy("x"), InternalError("x")])
    def test_other_ends_say_nothing(self, error: BaseException) -> None:
        calls = Calls(A)
        calls.fail(9, error)
        assert calls.circuit() is CircuitState.CLOSED
        calls.fail(4)
        calls.fail(1, error)  # no success either
        calls.fail(1)
        assert calls.circuit() is CircuitState.OPEN

    def test_a_stream_that_broke_off_is_a_failure(self) -> None:
        calls = Calls(A)
        for _ in range(5):
            with calls.router.track(calls.route()) as watch:
                watch.mark_responding()
                watch.mark_failed()
        assert calls.circuit() is CircuitState.OPEN

    def test_a_client_that_left_silently_is_no_success(self) -> None:
        calls = Calls(A)
        calls.fail(4)
        with calls.router.track(calls.route()) as watch:
            watch.mark_inconclusive()
        calls.fail(1)
        assert calls.circuit() is CircuitState.OPEN

    def test_others_take_over(self) -> None:
        calls = Calls(f"{A} {B}")
        for _ in range(2):
            end(calls.router.track(calls.route(tried=(B,))).__enter__(), UpstreamUnreachable("x"))
        assert calls.chosen(3) == [B, B, B]

    def test_one_engine_of_an_address_fails_alone(self) -> None:
        calls = Calls(A)
        calls.fail(5)
        assert not calls.router.can_route(ticket())
        calls.call(model_id="other")
        assert calls.circuit("other") is CircuitState.CLOSED

    def test_all_open_fails_fast_and_says_when(self) -> None:
        calls = Calls(f"{A} {B}")
        calls.fail(10)
        with pytest.raises(UpstreamUnreachable, match=r"not billed\. Try again in 1 s\.$"):
            calls.route()

    def test_entering_after_the_server_went_bad_is_refused(self) -> None:
        calls = Calls(A)
        waiting = calls.router.track(calls.route())
        calls.fail(5)
        with pytest.raises(UpstreamUnreachable):
            waiting.__enter__()
        assert calls.outstanding() == [0]


class TestHalfOpen:
    def half_open(self) -> Calls:
        calls = Calls(A)
        calls.fail(5)
        calls.clock.seconds += 1.0
        assert calls.circuit() is CircuitState.HALF_OPEN
        return calls

    def test_stays_open_for_its_time(self) -> None:
        calls = Calls(A)
        calls.fail(5)
        calls.clock.seconds += 0.99
        assert not calls.router.can_route(ticket())
        calls.clock.seconds += 0.01
        assert calls.router.can_route(ticket())

    def test_one_trial_only(self) -> None:
        calls = self.half_open()
        late = calls.router.track(calls.route())
        calls.start()
        with pytest.raises(UpstreamUnreachable, match=r"not billed\.$"):
            calls.route()
        with pytest.raises(UpstreamUnreachable):
            late.__enter__()
        assert calls.outstanding() == [1]

    def test_each_failed_trial_doubles_the_time_up_to_its_limit(self) -> None:
        calls = self.half_open()
        for seconds in 2, 4, 8, 16, 30, 30:
            calls.call(UpstreamFailed("x"))
            calls.clock.seconds += seconds - 0.01
            assert calls.circuit() is CircuitState.OPEN, seconds
            calls.clock.seconds += 0.01
            assert calls.circuit() is CircuitState.HALF_OPEN, seconds

    def test_any_failure_of_a_trial_opens_again(self) -> None:
        calls = Calls(A)
        calls.fail(2, UpstreamUnreachable("x"))
        calls.clock.seconds += 1
        calls.call(UpstreamFailed("x"))
        assert calls.circuit() is CircuitState.OPEN

    def test_days_of_failures_do_no_harm(self) -> None:
        calls = self.half_open()
        for _ in range(2000):
            calls.call(UpstreamUnreachable("x"))
            calls.clock.seconds += 30
        assert calls.circuit() is CircuitState.HALF_OPEN

    def test_success_closes_and_resets_counts_and_time(self) -> None:
        calls = self.half_open()
        calls.call(UpstreamFailed("x"))
        calls.clock.seconds += 2
        calls.call()
        calls.fail(4)  # counted from the start again
        assert calls.circuit() is CircuitState.CLOSED
        calls.fail(1)
        calls.clock.seconds += 1
        assert calls.circuit() is CircuitState.HALF_OPEN

    @pytest.mark.parametrize("error", SAYS_NOTHING)
    def test_a_trial_that_says_nothing_makes_room_for_the_next(self, error: BaseException) -> None:
        calls = self.half_open()
        calls.call(error)
        assert calls.circuit() is CircuitState.HALF_OPEN
        calls.call()
        assert calls.circuit() is CircuitState.CLOSED

    def test_a_trial_that_begins_to_answer_lets_others_in(self) -> None:
        calls = self.half_open()
        trial = calls.start()
        trial.mark_responding()
        assert calls.circuit() is CircuitState.CLOSED
        calls.fail(4)
        trial.mark_failed()
        end(trial)  # its end still counts
        assert calls.circuit() is CircuitState.OPEN
        calls.clock.seconds += 1.99  # it never did well to the end, so the time has doubled
        assert calls.circuit() is CircuitState.OPEN

    def test_a_silent_trial_does_not_shut_others_out_for_ever(self) -> None:
        calls = self.half_open()
        calls.start()
        calls.clock.seconds += 29.9
        assert not calls.router.can_route(ticket())
        calls.clock.seconds += 0.1
        calls.call()
        assert calls.circuit() is CircuitState.CLOSED

    def test_calls_from_before_the_crash_decide_nothing(self) -> None:
        calls = Calls(A)
        before = [calls.start() for _ in range(13)]
        for watch in before[:10]:  # one crash, one opening
            end(watch, UpstreamFailed("x"))
        calls.clock.seconds += 0.5
        end(before[10])
        assert calls.circuit() is CircuitState.OPEN
        calls.clock.seconds += 0.5
        assert calls.circuit() is CircuitState.HALF_OPEN
        trial = calls.start()
        end(before[11], UpstreamFailed("x"))
        end(before[12], ClientDisconnected())
        assert calls.circuit() is CircuitState.HALF_OPEN
        assert not calls.router.can_route(ticket())
        end(trial)
        assert calls.circuit() is CircuitState.CLOSED

    def test_memory_is_servers_times_models(self) -> None:
        calls = Calls(f"{A} {B}")
        for number in range(300):
            calls.call(UpstreamFailed("x") if number % 2 else None, f"m{number % 3}")
        state = calls.router.snapshot()
        assert [server.url for server in state] == [A, B]
        assert all(set(server.circuits) == {"m0", "m1", "m2"} for server in state)
