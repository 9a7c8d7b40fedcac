"""Like test_bad_input.py, for requests whose tests read or write database rows."""

import pytest

from tests.support.builders import Gateway
from tests.support.outcomes.outcome_bodies import PUMPS
from tests.support.outcomes.sender import Sender


async def test_unknown_model_with_a_nul_writes_a_usage_row(gateway: Gateway) -> None:
    answer = await gateway.http.post("/v1/embeddings", json={"model": "a\x00b", "input": "a"})
    assert answer.status_code == 404
    assert (await gateway.row())["error_code"] == "model_not_found"


class TestOutcomeRecords:
    @pytest.mark.parametrize(
        "body",
        [
            b'{"outcome": "WO-1\x00", "subject": "P-1", "happened_at": "2026-11-01T00:00:00Z"}',
            b'{"outcome": "WO-1\\u0000", "subject": "P-1", "happened_at": "2026-11-01T00:00:00Z"}',
            b'{"outcome": "WO-1", "subject": "P\\u0000", "happened_at": "2026-11-01T00:00:00Z"}',
            b'{"outcome": "WO-1\\ud800", "subject": "P-1", "happened_at": "2026-11-01T00:00:00Z"}',
            b'{"outcome": "WO-1", "subject": "P-1", "happened_at": "0001-01-01T00:00:00+14:00"}',
            b'{"outcome": "WO-1", "subject": "P-1", "happened_at": "0001-01-01T00:00:00Z"}',
            b'{"outcome": "WO-1", "subject": "P-1", "happened_at": "9999-12-31T23:59:59-14:00"}',
            b'{"outcome": "WO-1", "subject": "P-1", "happened_at": "0000-01-01T00:00:00Z"}',
        ],
    )
    async def test_signed_claim_that_cannot_be_stored_is_refused(
        self,
        gateway: Gateway,
        sender: Sender,
        body: bytes,
    ) -> None:
        sent = await sender.claims(body)
        assert sent.status_code in (200, 400), sent.text
        if sent.status_code == 200:
            wish = {"contract": "pumps", "evidence": sent.json()["id"]}
            sent = await gateway.http.post("/v1/outcomes", json=wish)
        # Claims that can be stored are rejected too, because the contract is not agreed.
        assert sent.status_code in (400, 409), sent.text
        assert set(sent.json()["error"]) == {"message", "type", "param", "code"}

    @pytest.mark.parametrize("year", ["0001", "1000", "9999"])
    async def test_contract_with_an_impossible_year_is_refused(
        self, gateway: Gateway, year: str
    ) -> None:
        text = PUMPS.replace("2099", year).encode()
        headers = {"content-type": "application/toml"}
        answer = await gateway.http.post("/v1/outcomes/contracts", content=text, headers=headers)
        assert answer.status_code in (400, 409), answer.text
