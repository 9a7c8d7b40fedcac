"""The benchmark of models of own columns against a gateway with the real specialists."""

from load.bench.own_columns.__main__ import measure, own_models, ready_made_model
from tests.support.builders import Gateway
from tests.support.nightly import nightly


@nightly
async def test_each_kind_is_trained_called_and_deleted(real: Gateway) -> None:
    table = await measure(real.url, real.key.secret, 2)
    for name in (ready_made_model(), *own_models()):
        assert f"| {name} | " in table
    assert "2 calls of each model" in table
    left = (await real.http.get("/v1/models")).json()["data"]
    assert not [one["id"] for one in left if one["id"].startswith("ft:")]
    assert (await real.http.get("/v1/files")).json()["data"] == []
