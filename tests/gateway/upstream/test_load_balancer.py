"""Load balancing: choice of the server, circuit breakers, and retries."""

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
from gateway.upstream.circuit_breaker import CircuitState, InFlightCall
from gateway.upstream.load_balancer import Router, is_retryable
from gateway.upstream.server_specs import parse_upstreams
from models.catalog import Model, Task, Weights

A, B, C = "http://a:1", "http://b:2", "http://c:3"
ONE = UUID(int=1)
SAYS_NOTHING = (ClientDisconnected(), BadRequest("x"), asyncio.CancelledError())


@dataclass
class FakeClock:
    """A clock that advances only when a test moves it."""

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
    )  # routing reads no other fields


class Calls:
    """A router, its clock, and calls with chosen results."""

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


class TestServerSelection:
    def test_target_has_url_server_and_request_id(self) -> None:
        calls = Calls("http://a:1/prefix/")
        target = calls.route()
        assert target.url == "http://a:1/prefix/v1/chat/completions"
        assert (target.server, target.request_id) == ("http://a:1/prefix", ONE)
        assert target.request.model.id == "m"

    def test_model_with_named_servers_uses_no_other_servers(self) -> None:
        calls = Calls(f"{A} m={B} m={C}")
        assert set(calls.chosen(6)) == {B, C}
        assert calls.route("other").server == A
        assert calls.router.server_urls("m") == (B, C)
        assert calls.router.server_urls("other") == (A,)

    def test_model_without_server_raises_unavailable(self) -> None:
        calls = Calls(f"m={A}")
        with pytest.raises(Unavailable, match="'other' is not available"):
            calls.route("other")
        assert not calls.router.can_route(ticket("other"))
        assert calls.router.server_urls("other") == ()

    def test_equally_loaded_servers_are_used_in_rotation(self) -> None:
        assert Calls(f"{A} {B} {C}").chosen(6) == [A, B, C, A, B, C]

    def test_rotation_stays_even_while_a_server_is_excluded(self) -> None:
        calls = Calls(f"{A} {B} {C}")
        servers = [calls.route(tried=(B,)).server for _ in range(6)]
        assert servers == [A, C, A, C, A, C]

    def test_server_with_fewest_outstanding_calls_is_selected(self) -> None:
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

    def test_load_of_a_server_counts_calls_of_all_models(self) -> None:
        calls = Calls(f"m={A} m={B} other={A}")
        calls.start("other")
        assert calls.chosen(2) == [B, B]

    @pytest.mark.parametrize("error", [UpstreamFailed("x"), *SAYS_NOTHING])
    def test_failed_or_cancelled_call_is_no_longer_outstanding(self, error: BaseException) -> None:
        calls = Calls(A)
        with pytest.raises(type(error)), calls.router.track(calls.route()):
            raise error
        assert calls.outstanding() == [0]


class TestRetry:
    def test_only_unreachable_and_busy_errors_are_retryable(self) -> None:
        assert is_retryable(UpstreamUnreachable("x"))
        assert is_retryable(UpstreamBusy("x"))
        for error in UpstreamTimeout("x"), UpstreamFailed("x"), BadRequest("x"), Unavailable("x"):
            assert not is_retryable(error)
        assert not is_retryable(ClientDisconnected())

    def test_tried_servers_are_excluded_until_none_remains(self) -> None:
        calls = Calls(f"{A} {B}")
        first = calls.route().server
        second = calls.route(tried=(first,)).server
        assert {first, second} == {A, B}
        assert calls.router.can_route(ticket(), (first,))
        assert not calls.router.can_route(ticket(), (first, second))
        with pytest.raises(UpstreamUnreachable):
            calls.route(tried=(first, second))


class TestCircuitOpening:
    @pytest.mark.parametrize(
        ("count", "error"),
        [(5, UpstreamFailed("x")), (5, UpstreamTimeout("x")), (2, UpstreamUnreachable("x"))],
    )
    def test_circuit_opens_after_threshold_of_failures(
        self, count: int, error: BaseException
    ) -> None:
        calls = Calls(A)
        calls.fail(count - 1, error)
        assert calls.circuit() is CircuitState.CLOSED
        calls.fail(1, error)
        assert calls.circuit() is CircuitState.OPEN

    def test_only_consecutive_connect_failures_open_circuit(self) -> None:
        calls = Calls(A)
        calls.fail(1, UpstreamUnreachable("x"))
        calls.fail(1)
        calls.fail(1, UpstreamUnreachable("x"))
        assert calls.circuit() is CircuitState.CLOSED

    def test_success_resets_failure_count(self) -> None:
        calls = Calls(A)
        calls.fail(4)
        calls.call()
        calls.fail(1, UpstreamUnreachable("x"))
        calls.call()
        calls.fail(1, UpstreamUnreachable("x"))
        calls.fail(3)
        assert calls.circuit() is CircuitState.CLOSED

    @pytest.mark.parametrize("error", [*SAYS_NOTHING, UpstreamBusy("x"), InternalError("x")])
    def test_other_errors_count_neither_as_failure_nor_success(self, error: BaseException) -> None:
        calls = Calls(A)
        calls.fail(9, error)
        assert calls.circuit() is CircuitState.CLOSED
        calls.fail(4)
        calls.fail(1, error)  # not a success either
        calls.fail(1)
        assert calls.circuit() is CircuitState.OPEN

    def test_interrupted_stream_counts_as_failure(self) -> None:
        calls = Calls(A)
        for _ in range(5):
            with calls.router.track(calls.route()) as watch:
                watch.mark_responding()
                watch.mark_failed()
        assert calls.circuit() is CircuitState.OPEN

    def test_client_disconnect_does_not_count_as_success(self) -> None:
        calls = Calls(A)
        calls.fail(4)
        with calls.router.track(calls.route()) as watch:
            watch.mark_inconclusive()
        calls.fail(1)
        assert calls.circuit() is CircuitState.OPEN

    def test_other_server_receives_calls_of_open_circuit(self) -> None:
        calls = Calls(f"{A} {B}")
        for _ in range(2):
            end(calls.router.track(calls.route(tried=(B,))).__enter__(), UpstreamUnreachable("x"))
        assert calls.chosen(3) == [B, B, B]

    def test_circuit_opens_per_model_of_a_server(self) -> None:
        calls = Calls(A)
        calls.fail(5)
        assert not calls.router.can_route(ticket())
        calls.call(model_id="other")
        assert calls.circuit("other") is CircuitState.CLOSED

    def test_all_circuits_open_raises_unreachable_with_retry_time(self) -> None:
        calls = Calls(f"{A} {B}")
        calls.fail(10)
        with pytest.raises(UpstreamUnreachable, match=r"not billed\. Try again in 1 s\.$"):
            calls.route()

    def test_call_routed_before_circuit_opened_is_rejected(self) -> None:
        calls = Calls(A)
        waiting = calls.router.track(calls.route())
        calls.fail(5)
        with pytest.raises(UpstreamUnreachable):
            waiting.__enter__()
        assert calls.outstanding() == [0]


class TestHalfOpenCircuit:
    def half_open(self) -> Calls:
        calls = Calls(A)
        calls.fail(5)
        calls.clock.seconds += 1.0
        assert calls.circuit() is CircuitState.HALF_OPEN
        return calls

    def test_circuit_stays_open_until_its_timeout(self) -> None:
        calls = Calls(A)
        calls.fail(5)
        calls.clock.seconds += 0.99
        assert not calls.router.can_route(ticket())
        calls.clock.seconds += 0.01
        assert calls.router.can_route(ticket())

    def test_half_open_circuit_allows_one_trial_call(self) -> None:
        calls = self.half_open()
        late = calls.router.track(calls.route())
        calls.start()
        with pytest.raises(UpstreamUnreachable, match=r"not billed\.$"):
            calls.route()
        with pytest.raises(UpstreamUnreachable):
            late.__enter__()
        assert calls.outstanding() == [1]

    def test_failed_trial_doubles_timeout_up_to_limit(self) -> None:
        calls = self.half_open()
        for seconds in 2, 4, 8, 16, 30, 30:
            calls.call(UpstreamFailed("x"))
            calls.clock.seconds += seconds - 0.01
            assert calls.circuit() is CircuitState.OPEN, seconds
            calls.clock.seconds += 0.01
            assert calls.circuit() is CircuitState.HALF_OPEN, seconds

    def test_any_trial_failure_reopens_circuit(self) -> None:
        calls = Calls(A)
        calls.fail(2, UpstreamUnreachable("x"))
        calls.clock.seconds += 1
        calls.call(UpstreamFailed("x"))
        assert calls.circuit() is CircuitState.OPEN

    def test_2000_failed_trials_keep_timeout_at_limit(self) -> None:
        calls = self.half_open()
        for _ in range(2000):
            calls.call(UpstreamUnreachable("x"))
            calls.clock.seconds += 30
        assert calls.circuit() is CircuitState.HALF_OPEN

    def test_successful_trial_closes_circuit_and_resets_counts(self) -> None:
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
    def test_inconclusive_trial_allows_next_trial(self, error: BaseException) -> None:
        calls = self.half_open()
        calls.call(error)
        assert calls.circuit() is CircuitState.HALF_OPEN
        calls.call()
        assert calls.circuit() is CircuitState.CLOSED

    def test_trial_that_starts_responding_closes_circuit(self) -> None:
        calls = self.half_open()
        trial = calls.start()
        trial.mark_responding()
        assert calls.circuit() is CircuitState.CLOSED
        calls.fail(4)
        trial.mark_failed()
        end(trial)  # the failure still counts
        assert calls.circuit() is CircuitState.OPEN
        calls.clock.seconds += 1.99  # the trial did not succeed, so the timeout has doubled
        assert calls.circuit() is CircuitState.OPEN

    def test_trial_without_response_expires_after_30_seconds(self) -> None:
        calls = self.half_open()
        calls.start()
        calls.clock.seconds += 29.9
        assert not calls.router.can_route(ticket())
        calls.clock.seconds += 0.1
        calls.call()
        assert calls.circuit() is CircuitState.CLOSED

    def test_calls_started_before_opening_do_not_change_circuit(self) -> None:
        calls = Calls(A)
        before = [calls.start() for _ in range(13)]
        for watch in before[:10]:  # one crash opens the circuit once
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

    def test_one_circuit_is_kept_per_server_and_model(self) -> None:
        calls = Calls(f"{A} {B}")
        for number in range(300):
            calls.call(UpstreamFailed("x") if number % 2 else None, f"m{number % 3}")
        state = calls.router.snapshot()
        assert [server.url for server in state] == [A, B]
        assert all(set(server.circuits) == {"m0", "m1", "m2"} for server in state)
