"""Random requests to each endpoint of a real gateway never return a 5xx."""

import json
from collections.abc import AsyncIterator, Mapping
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzzing.budget import TALLY, tried
from tests.fuzzing.mutating import altered, mutated
from tests.fuzzing.service import Service
from tests.support.builders import CHAT, EMBEDDING, SPECIALIST
from tests.support.raw_http import wire_to

MESSAGES = [{"role": "user", "content": "a"}]
FORM = b"--b\r\ncontent-disposition: form-data; name=%b\r\n\r\n%b\r\n"
# Nearly valid bodies of each endpoint; a name in braces is an id of the account.
JSON: Mapping[str, Any] = {
    "/v1/chat/completions": {"model": CHAT, "messages": MESSAGES, "max_tokens": 2},
    "/v1/completions": {"model": CHAT, "prompt": "a", "max_tokens": 2},
    "/v1/embeddings": {"model": EMBEDDING, "input": ["a"]},
    "/v1/predictions": {"model": SPECIALIST, "instances": [{"torque": 1.0}]},
    "/v1/quote": {"model": CHAT, "messages": MESSAGES, "max_tokens": 2},
    "/v1/route": {"task": "will it fail?", "model": "auto", "messages": MESSAGES},
    "/v1/feedback": {"request_id": "req_1", "rating": "bad", "comment": "a"},
    "/v1/fine_tuning/jobs": {"model": SPECIALIST, "training_file": "file_1", "suffix": "a"},
    "/v1/vector_stores": {"name": "a", "metadata": {"b": "c"}},
    "/v1/alerts": {"url": "https://hook.example/", "percentages": [80]},
    "/v1/subscription": {"plan": "plain", "preview": True},
    "/v1/invoices/{invoice}/disputes": {"line": 1, "reason": "a"},
    "/v1/outcomes/attesters": {"contract": "{contract}", "kind": "customer_system", "name": "a",
                               "public_key": "a"},
    "/v1/outcomes/contracts": {"name": "a", "currency": "CNY"},
    "/v1/outcomes": {"contract": "{contract}", "evidence": "evd_1"},
    "/v1/payment_orders": {"method": "alipay", "amount": "10.00"},
    "/v1/payment-pages": {"page": "setup", "return_url": "https://a.example/"},
    "/v2/models/failure-class/infer": {"inputs": [{"name": "torque", "shape": [1], "datatype":
                                       "FP32", "data": [1.0]}]},
}  # fmt: skip
OTHER: Mapping[str, tuple[Mapping[str, str], bytes]] = {
    "/v1/files": (
        {"content-type": "multipart/form-data; boundary=b"},
        FORM % (b"purpose", b"fine-tune") + FORM % (b'file; filename="a.jsonl"', b"{}") + b"--b--",
    ),
    "/v1/outcomes/evidence?contract={contract}&kind=readings": (
        {"x-maas-attester": "atst_1", "x-maas-signature": "YQ==", "content-type": "text/csv"},
        b"at,value,unit,parts\n2026-11-01T00:00:00+08:00,412.5,kWh,1180\n",
    ),
    "/stripe/webhook": ({"stripe-signature": "t=1,v1=a"}, b'{"id": "evt_1", "object": "event"}'),
    "/dashboard/forgot": (
        {"content-type": "application/x-www-form-urlencoded", "origin": "{url}"},
        b"email=a%40b.example",
    ),
}

# Paths and queries with a value.
PLACES = [
    *("/v1/usage?before=VALUE", "/v1/usage?limit=VALUE", "/v1/invoices?after=VALUE"),
    *("/v1/invoices/VALUE", "/v1/invoices/VALUE/calls", "/v1/models/VALUE", "/v1/files/VALUE"),
    *("/v1/vector_stores/VALUE", "/v1/vector_stores/VALUE/files", "/v1/fine_tuning/jobs/VALUE"),
    *("/v1/outcomes/VALUE", "/v1/outcomes/evidence?contract=VALUE", "/v2/models/VALUE/infer"),
    *("/v1/outcomes/evidence/VALUE", "/v1/outcomes/contracts/VALUE", "/v1/VALUE"),
    "/v1/organization/usage/completions?start_time=VALUE",
    "/v1/organization/usage/completions?start_time=0&page=page_VALUE",
    *("/dashboard/VALUE", "/dashboard/sign-in?next=VALUE", "/dashboard/invitation/VALUE"),
]


def named(text: str, service: Service) -> str:
    for name, known in service.known.items():
        text = text.replace(f"{{{name}}}", known)
    return text


@pytest.fixture(scope="package")
async def http(service: Service) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"authorization": f"Bearer {service.secret}"}
    async with httpx.AsyncClient(base_url=service.url, headers=headers, timeout=60) as client:
        yield client


@pytest.mark.parametrize("path", [*JSON, *OTHER])
@tried(8, 200)
@given(data=st.data())
async def test_random_request_bodies_return_no_server_error(
    service: Service, http: httpx.AsyncClient, path: str, data: st.DataObject
) -> None:
    said, seed = OTHER.get(path, ({}, json.dumps(JSON.get(path)).encode()))
    headers = {name: value.replace("{url}", service.url) for name, value in said.items()}
    body = data.draw(mutated([named(seed.decode(), service).encode()]))
    TALLY.count()
    place = named(path, service)
    headers = {"content-type": "application/json", **headers}
    check(place, await http.post(place, content=body, headers=headers))


@pytest.mark.parametrize("path", JSON)
@tried(8, 300)
@given(data=st.data())
async def test_json_with_extreme_values_returns_no_server_error(
    service: Service, http: httpx.AsyncClient, path: str, data: st.DataObject
) -> None:
    """Valid JSON with values outside the range of databases, dates or numbers, at any depth."""
    seed = json.loads(named(json.dumps(JSON[path]), service))
    body = data.draw(altered(seed))
    TALLY.count()
    place, headers = named(path, service), {"content-type": "application/json"}
    check(place, await http.post(place, content=body, headers=headers))


@tried(25, 1_000)
@given(st.sampled_from(PLACES), mutated([b"a", b"cursor_1", b"2026-11-01", b"evd_1", b"0"]))
async def test_random_values_in_paths_and_queries_return_no_server_error(
    http: httpx.AsyncClient, path: str, value: bytes
) -> None:
    """Values in paths and queries are percent-encoded, so any byte can occur."""
    TALLY.count()
    target = path.replace("VALUE", quote(value[:2000], safe=""))
    check(path, await http.get(httpx.URL(http.base_url, raw_path=target.encode())))


@tried(25, 1_000)
@given(mutated([b"x", b"a.example:8000", b"[::1]:80", b"a:b", b"x:1, y"]))
async def test_random_host_headers_return_a_client_error(service: Service, host: bytes) -> None:
    TALLY.count()
    async with wire_to(service.url) as wire:
        head = b"GET /v1/models HTTP/1.1\r\nhost: %b\r\n\r\n"
        await wire.send(head % _line(host))
        answer = await wire.answer()
    assert answer is not None
    assert answer.status in (400, 401, 431), answer


def check(path: str, answer: httpx.Response) -> None:
    assert answer.status_code < 500, answer.text
    if answer.status_code >= 400 and not path.startswith("/dashboard"):
        four = answer.json() if path.startswith("/v2") else answer.json()["error"]
        assert {"message", "type", "param", "code"} <= set(four)


HEADERS = st.dictionaries(
    st.sampled_from(
        ["x-maas-tags", "idempotency-key", "x-max-cost", "x-maas-fallback", "content-type",
         "inference-header-content-length", "accept", "accept-language", "cookie", "x-request-id",
         "range", "if-none-match", "content-encoding", "x-forwarded-for", "expect"]
    ),
    mutated([b"order=A-17,machine=M3", b"0.01", b"text/html;q=0.5, */*", b"maas_session=a", b"12"]),
    max_size=5,
)  # fmt: skip


@tried(25, 1_000)
@given(HEADERS, st.sampled_from(["/v1/chat/completions", "/v1/quote", "/v1/vector_stores"]))
async def test_random_headers_return_no_server_error(
    http: httpx.AsyncClient, drawn: dict[str, bytes], path: str
) -> None:
    TALLY.count()
    body = json.dumps(JSON[path]).encode()
    said = {name.encode(): _line(value) for name, value in drawn.items()}
    check(path, await http.post(path, content=body, headers=said))


def _line(value: bytes) -> bytes:
    """The bytes without those that the client itself rejects."""
    return bytes(byte for byte in value[:2000] if byte >= 32 and byte != 127).strip()
