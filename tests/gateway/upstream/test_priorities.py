"""Which server gets a call where a catalog has upstreams: own ones first, then by priority."""

from dataclasses import replace
from types import MappingProxyType, SimpleNamespace
from typing import cast
from uuid import UUID

import pytest
from pydantic import SecretStr

from billing.rating.quantities import NO_USAGE
from gateway.call.errors import (
    ModelServerNotFound,
    UpstreamBusy,
    UpstreamCredentialsRejected,
    UpstreamUnreachable,
)
from gateway.call.values import AdmittedCall, ParsedRequest, UpstreamRequest
from gateway.upstream.circuit_breaker import CircuitState
from gateway.upstream.credentials import ResolvedUpstream
from gateway.upstream.load_balancer import Router
from gateway.upstream.server_specs import parse_upstreams
from infra.clock import SystemClock
from models.catalog import Model, Task, Upstream, Weights

OWN, ONE = "http://own:1", UUID(int=1)
MODEL = Model("m", Task.TEXT_GENERATION, ("cpu",), "", "MIT", Weights("hub", "x"), {})


def provider(name: str, priority: int = 1, key: str = "k", **values: object) -> ResolvedUpstream:
    models = MappingProxyType({"m": f"{name}-m"})
    upstream = Upstream(name, f"https://{name}", models, "secret", priority=priority)
    headers = {"authorization": SecretStr(f"Bearer {key}")}
    return replace(ResolvedUpstream(upstream, headers), **values)  # type: ignore[arg-type]


def admitted(variant: UUID | None = None) -> AdmittedCall:
    request = ParsedRequest(MODEL, "/v1/chat/completions", b"{}", {}, lambda _: NO_USAGE)
    request = replace(request, variant_id=variant)
    # Routing reads no other fields.
    return cast(AdmittedCall, SimpleNamespace(request=request, output_reservation=None))


def router(*upstreams: ResolvedUpstream, servers: str = OWN) -> Router:
    made = Router(parse_upstreams(servers), SystemClock())
    made.set_upstreams(upstreams)
    return made


def order(balancer: Router, only_upstreams: bool = False) -> list[str]:
    """The servers in the order in which a call would try them."""
    tried: tuple[str, ...] = ()
    while balancer.can_route(admitted(), tried, only_upstreams):
        tried += (balancer.route(admitted(), ONE, tried, only_upstreams).server_id,)
    return list(tried)


def break_circuit(balancer: Router, target: UpstreamRequest) -> None:
    for _ in range(2):
        with pytest.raises(UpstreamUnreachable), balancer.track(target):
            raise UpstreamUnreachable("x")


def test_own_servers_come_first_then_upstreams_by_priority() -> None:
    balancer = router(provider("late", 9), provider("early", 2))
    assert order(balancer) == [OWN, "early", "late"]
    assert order(balancer, only_upstreams=True) == ["early", "late"]
    assert balancer.server_ids("m") == (OWN, "late", "early")
    assert balancer.upstream_names("other") == ()


def test_upstream_of_priority_0_shares_load_with_own_servers() -> None:
    balancer = router(provider("equal", 0))
    first = balancer.route(admitted(), ONE)
    with balancer.track(first):
        second = balancer.route(admitted(), ONE)
    assert {first.server_id, second.server_id} == {OWN, "equal"}


def test_full_upstream_is_passed_over_and_is_busy_where_it_is_the_last() -> None:
    limited, later = provider("limited"), provider("later", 2)
    limited = replace(limited, upstream=replace(limited.upstream, concurrency=1))
    balancer = router(limited, later, servers="other=http://x:1")
    with balancer.track(balancer.route(admitted(), ONE)):
        assert order(balancer) == ["later"]
        with pytest.raises(UpstreamBusy):
            balancer.route(admitted(), ONE, ("later",))
    assert order(balancer) == ["limited", "later"]


def test_target_has_name_key_and_cost_of_the_upstream() -> None:
    target = router(provider("p")).route(admitted(), ONE, only_upstreams=True)
    assert (target.server, target.upstream.name, target.upstream.model_name) == (
        *("https://p", "p", "p-m"),
    )
    assert target.upstream.secret_headers["authorization"].get_secret_value() == "Bearer k"
    assert "Bearer" not in repr(target)
    own = router().route(admitted(), ONE)
    assert (own.upstream.name, own.upstream.model_name, own.server_id) == ("own", None, OWN)


def test_fine_tuned_model_is_sent_to_own_servers_only() -> None:
    balancer = router(provider("p"))
    call = admitted(variant=UUID(int=2))
    assert balancer.route(call, ONE).server_id == OWN
    assert not balancer.can_route(call, (OWN,))
    with pytest.raises(ModelServerNotFound):
        balancer.route(call, ONE, only_upstreams=True)


def test_own_server_without_the_model_is_left_out_where_an_upstream_has_it() -> None:
    balancer = router(provider("p"))
    balancer.set_listed_models(OWN, frozenset({"other"}))
    assert order(balancer) == ["p"]
    balancer.set_upstreams([])
    assert order(balancer) == [OWN]  # its list may be out of date
    balancer.set_upstreams([provider("p")])
    balancer.set_listed_models(OWN, None)
    assert order(balancer) == [OWN, "p"]


def test_unchanged_upstream_keeps_its_circuit_and_changed_one_begins_anew() -> None:
    balancer = router(provider("p"), servers="other=http://x:1")
    break_circuit(balancer, balancer.route(admitted(), ONE))
    balancer.set_upstreams([provider("p"), provider("q", 2)])
    assert order(balancer) == ["q"]
    assert balancer.snapshot()[1].circuits == {"m": CircuitState.OPEN}
    balancer.set_upstreams([provider("p", key="rotated")])
    assert order(balancer) == ["p"]


@pytest.mark.parametrize(("status", "is_open"), [(401, True), (402, True), (403, False)])
def test_refused_credentials_open_the_circuit_but_a_refused_content_does_not(
    status: int, is_open: bool
) -> None:
    balancer = router(provider("p"), servers="other=http://x:1")
    for _ in range(3):
        if balancer.can_route(admitted()):
            target = balancer.route(admitted(), ONE)
            with pytest.raises(UpstreamUnreachable), balancer.track(target):
                raise UpstreamCredentialsRejected(status)
    assert balancer.can_route(admitted()) is not is_open


def test_upstream_without_a_secret_is_not_used() -> None:
    balancer = router(provider("p", missing_secrets=("secret",)), servers="other=http://x:1")
    with pytest.raises(ModelServerNotFound):
        balancer.route(admitted(), ONE)


def test_call_to_an_upstream_that_was_removed_meanwhile_is_unreachable() -> None:
    balancer = router(provider("p"))
    target = balancer.route(admitted(), ONE, only_upstreams=True)
    balancer.set_upstreams([])
    with pytest.raises(UpstreamUnreachable):
        balancer.track(target)
