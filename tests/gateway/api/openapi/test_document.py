"""Billing, outcome and feedback endpoints in the OpenAPI document."""

import json
from typing import Any

import pytest

READ = (
    "/v1/invoices",
    "/v1/invoices/preview",
    "/v1/invoices/{invoice}",
    "/v1/invoices/{invoice}/pdf",
    "/v1/invoices/{invoice}/lines.csv",
    "/v1/invoices/{invoice}/focus.csv",
    "/v1/invoices/{invoice}/calls",
    "/v1/subscription",
    "/v1/plans",
    "/v1/wallet",
    "/v1/organization/usage/completions",
    "/v1/organization/usage/embeddings",
    "/v1/organization/usage/images",
    "/v1/organization/costs",
    "/v1/outcomes/contracts",
    "/v1/outcomes/contracts/{contract}",
    "/v1/outcomes/attesters",
    "/v1/outcomes/evidence",
    "/v1/outcomes/evidence/{evidence}",
    "/v1/feedback",
    "/v1/feedback/{feedback_id}",
)
CHANGED = (
    "/v1/subscription",
    "/v1/subscription/cancel",
    "/v1/subscription/pause",
    "/v1/subscription/resume",
    "/v1/outcomes/contracts",
    "/v1/outcomes/contracts/{contract}/agree",
    "/v1/outcomes/contracts/{contract}/end",
    "/v1/outcomes/attesters",
    "/v1/outcomes/attesters/{attester}/accept",
    "/v1/outcomes/attesters/{attester}/revoke",
    "/v1/outcomes/evidence",
    "/v1/feedback",
)


class TestBillingEndpointsInOpenApi:
    async def test_every_path_has_its_methods_and_a_summary(self, document: dict[str, Any]) -> None:
        paths = document["paths"]
        assert [path for path in READ if "get" not in paths.get(path, {})] == []
        assert [path for path in CHANGED if "post" not in paths.get(path, {})] == []
        assert all(paths[path][method]["summary"] for path in READ for method in paths[path])

    @pytest.mark.parametrize(
        ("path", "field"),
        [
            (CHANGED[0], "preview"),
            (CHANGED[1], "at_period_end"),
            (CHANGED[2], "resumes_at"),
            (CHANGED[4], "lower_of_usage"),
            (CHANGED[5], "hash"),
            (CHANGED[6], "at"),
            (CHANGED[7], "public_key"),
            (CHANGED[-1], "correction"),
        ],
    )
    async def test_request_body_schema_contains_field(
        self, document: dict[str, Any], path: str, field: str
    ) -> None:
        content = document["paths"][path]["post"]["requestBody"]["content"]["application/json"]
        name = content["schema"]["$ref"].rpartition("/")[2]
        assert field in json.dumps(document["components"]["schemas"][name])

    async def test_organization_usage_query_parameters_are_listed(
        self, document: dict[str, Any]
    ) -> None:
        for what in ("usage/completions", "usage/embeddings", "usage/images", "costs"):
            described = document["paths"][f"/v1/organization/{what}"]["get"]
            names = {parameter["name"] for parameter in described["parameters"]}
            assert {"start_time", "bucket_width", "group_by", "models", "page"} <= names
