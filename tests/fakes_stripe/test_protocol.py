"""The HTTP protocol of the fake Stripe: keys, versions, forms, idempotency, lists, errors."""

import asyncio
import base64
import uuid
from datetime import timedelta
from typing import Any

import httpx
import pytest
import stripe

from tests.fakes_stripe.side import Side
from tests.support.builders import NO_TLS
from tests.support.fakes.stripe.forms import decode
from tests.support.fakes.stripe.running import FakeStripe

pytestmark = pytest.mark.usefixtures("network")


def raw(fake: FakeStripe, **headers: str) -> httpx.AsyncClient:
    given = {"authorization": f"Bearer {fake.key}", **headers}
    return httpx.AsyncClient(base_url=fake.url, headers=given, trust_env=False, verify=NO_TLS)


class TestFormDecoding:
    def test_brackets_in_names_are_decoded_as_nested_objects(self) -> None:
        form = decode("a=1&b[c]=2&b[d][0][e]=3&f[]=4&f[]=5&g=")
        assert form == {
            "a": "1",
            "b": {"c": "2", "d": {"0": {"e": "3"}}},
            "f": {"0": "4", "1": "5"},
            "g": "",
        }


class TestAuthentication:
    async def test_wrong_key_is_rejected(self, fake: FakeStripe, http: Any) -> None:
        wrong = stripe.StripeClient(
            "sk_test_wrong", base_addresses={"api": fake.url}, http_client=http
        )
        with pytest.raises(stripe.AuthenticationError, match="Invalid API Key"):
            await wrong.v1.customers.list_async()

    async def test_basic_authentication_is_accepted(self, fake: FakeStripe) -> None:
        word = base64.b64encode(f"{fake.key}:".encode()).decode()
        async with raw(fake, authorization=f"Basic {word}") as plain:
            assert (await plain.get("/v1/customers")).status_code == 200

    async def test_request_without_a_key_is_rejected(self, fake: FakeStripe) -> None:
        async with raw(fake, authorization="") as plain:
            assert (await plain.get("/v1/customers")).status_code == 401


class TestApiVersion:
    async def test_request_with_another_api_version_is_rejected(
        self, client: stripe.StripeClient
    ) -> None:
        with pytest.raises(stripe.InvalidRequestError, match="only"):
            await client.v1.customers.list_async(options={"stripe_version": "2020-08-27"})


class TestRequests:
    async def test_synchronous_sdk_methods_are_served(self, client: stripe.StripeClient) -> None:
        made = await asyncio.to_thread(client.v1.customers.create, {"name": "Acme"})
        found = await asyncio.to_thread(client.v1.customers.retrieve, made.id)
        assert found.name == "Acme"

    async def test_response_has_the_request_id(
        self, fake: FakeStripe, client: stripe.StripeClient
    ) -> None:
        made = await client.v1.customers.create_async()
        assert made.last_response is not None
        assert made.last_response.request_id == fake.requests[-1].request_id

    async def test_requests_are_counted_by_endpoint(
        self, fake: FakeStripe, client: stripe.StripeClient
    ) -> None:
        made = await client.v1.customers.create_async()
        await client.v1.customers.retrieve_async(made.id)
        assert fake.count("POST /v1/customers") == 1
        assert fake.count("GET /v1/customers/{id}") == 1
        assert [each["id"] for each in fake.objects("customer")] == [made.id]

    async def test_timestamps_come_from_the_fake_clock(
        self, fake: FakeStripe, client: stripe.StripeClient
    ) -> None:
        fake.clock.advance(timedelta(days=400))
        made = await client.v1.customers.create_async()
        assert made.created == int(fake.clock.now().timestamp())


class TestParameters:
    @pytest.mark.parametrize(
        ("params", "param"),
        [
            ({"foo": 1}, "foo"),
            ({"address": {"street": "x"}}, "address[street]"),
            ({"invoice_settings": {"default_payment": "x"}}, "invoice_settings[default_payment]"),
            ({"tax_id_data": [{"type": "eu_vat", "value": "x", "y": 1}]}, "tax_id_data[0][y]"),
        ],
    )
    async def test_unknown_parameter_is_rejected_at_any_depth(
        self, side: Side, params: Any, param: str
    ) -> None:
        with pytest.raises(stripe.InvalidRequestError) as caught:
            await side.client.v1.customers.create_async(params)
        assert (caught.value.code, caught.value.param) == ("parameter_unknown", param)
        assert caught.value.http_status == 400

    async def test_parameter_of_older_api_versions_is_rejected(self, side: Side) -> None:
        old: Any = {"payment_method_types": ["card"]}
        with pytest.raises(stripe.InvalidRequestError) as caught:
            await side.client.v1.setup_intents.create_async(old)
        assert caught.value.code == "parameter_unknown"

    async def test_missing_parameter_is_reported(self, side: Side) -> None:
        nothing: Any = {}
        with pytest.raises(stripe.InvalidRequestError) as caught:
            await side.client.v1.webhook_endpoints.create_async(nothing)
        assert caught.value.code == "parameter_missing"

    @pytest.mark.parametrize(
        "params",
        [{"auto_advance": "perhaps"}, {"collection_method": "beg"}, {"days_until_due": "1.5"}],
    )
    async def test_value_of_the_wrong_type_is_rejected(self, side: Side, params: Any) -> None:
        customer = await side.client.v1.customers.create_async()
        whole: Any = {"customer": customer.id, **params}
        with pytest.raises(stripe.InvalidRequestError) as caught:
            await side.client.v1.invoices.create_async(whole)
        assert caught.value.param in params

    async def test_parameter_without_an_implementation_is_rejected(
        self, client: stripe.StripeClient
    ) -> None:
        customer = await client.v1.customers.create_async()
        with pytest.raises(stripe.InvalidRequestError, match="does not model `automatic_tax`"):
            await client.v1.invoices.create_async(
                {"customer": customer.id, "automatic_tax": {"enabled": True}}
            )
        with pytest.raises(stripe.InvalidRequestError, match=r"`invoice_settings.custom_fields`"):
            await client.v1.customers.update_async(
                customer.id, {"invoice_settings": {"custom_fields": ""}}
            )

    async def test_endpoint_without_an_implementation_is_rejected(
        self, client: stripe.StripeClient
    ) -> None:
        with pytest.raises(stripe.InvalidRequestError, match="Unrecognized request URL"):
            await client.v1.customers.search_async({"query": "name:'Acme'"})
        with pytest.raises(stripe.InvalidRequestError, match="Unrecognized request URL"):
            await client.v1.subscriptions.list_async()


class TestMetadata:
    async def test_update_merges_and_removes_metadata(self, side: Side) -> None:
        customers = side.client.v1.customers
        made = await customers.create_async({"metadata": {"a": "1", "b": "2"}})
        changed = await customers.update_async(made.id, {"metadata": {"a": "", "c": "3"}})
        assert changed.metadata is not None
        assert changed.metadata.to_dict() == {"b": "2", "c": "3"}
        emptied = await customers.update_async(made.id, {"metadata": ""})
        assert emptied.metadata is not None
        assert emptied.metadata.to_dict() == {}

    async def test_metadata_value_over_500_characters_is_rejected(self, side: Side) -> None:
        with pytest.raises(stripe.InvalidRequestError):
            await side.client.v1.customers.create_async({"metadata": {"a": "x" * 501}})


class TestUnknownIds:
    async def test_retrieving_an_unknown_id_returns_404(self, side: Side) -> None:
        with pytest.raises(stripe.InvalidRequestError) as caught:
            await side.client.v1.invoices.retrieve_async("in_0000")
        assert (caught.value.code, caught.value.http_status) == ("resource_missing", 404)

    async def test_unknown_id_in_a_parameter_returns_400(self, side: Side) -> None:
        with pytest.raises(stripe.InvalidRequestError) as caught:
            await side.client.v1.invoices.create_async({"customer": "cus_0000"})
        assert (caught.value.code, caught.value.http_status) == ("resource_missing", 400)


class TestListPagination:
    async def test_list_returns_pages_newest_first(self, side: Side) -> None:
        customer = await side.client.v1.customers.create_async()
        items = side.client.v1.invoice_items
        made = [
            await items.create_async({"customer": customer.id, "amount": n, "currency": "usd"})
            for n in (100, 200, 300)
        ]
        page = await items.list_async({"customer": customer.id, "limit": 2})
        assert ([each.id for each in page.data], page.has_more) == (
            [made[2].id, made[1].id],
            True,
        )
        rest = await items.list_async({"customer": customer.id, "starting_after": made[1].id})
        assert ([each.id for each in rest.data], rest.has_more) == ([made[0].id], False)
        everything = [each.amount async for each in page.auto_paging_iter()]
        assert everything == [300, 200, 100]

    async def test_page_limit_above_100_is_rejected(self, side: Side) -> None:
        with pytest.raises(stripe.InvalidRequestError):
            await side.client.v1.customers.list_async({"limit": 101})


class TestExpansion:
    async def test_reference_is_an_id_unless_expanded(self, side: Side) -> None:
        customer = await side.customer()
        invoice = await side.draft(customer.id, 1000)
        assert invoice.customer == customer.id
        whole = await side.client.v1.invoices.retrieve_async(invoice.id, {"expand": ["customer"]})
        assert isinstance(whole.customer, stripe.Customer)
        assert whole.customer.name == "Acme 精密"

    async def test_expanding_an_unknown_field_is_rejected(self, side: Side) -> None:
        with pytest.raises(stripe.InvalidRequestError, match="cannot be expanded"):
            await side.client.v1.customers.create_async({"expand": ["nothing"]})


class TestIdempotency:
    async def test_repeated_request_returns_the_stored_response(self, side: Side) -> None:
        customers, key = side.client.v1.customers, _key()
        first = await customers.create_async({"name": "A"}, {"idempotency_key": key})
        again = await customers.create_async({"name": "A"}, {"idempotency_key": key})
        assert again.id == first.id
        assert again.last_response is not None
        assert again.last_response.headers["idempotent-replayed"] == "true"

    async def test_reused_key_with_another_request_is_rejected(self, side: Side) -> None:
        customers, key = side.client.v1.customers, _key()
        await customers.create_async({"name": "A"}, {"idempotency_key": key})
        with pytest.raises(stripe.IdempotencyError):
            await customers.create_async({"name": "B"}, {"idempotency_key": key})
        with pytest.raises(stripe.IdempotencyError):
            await side.client.v1.setup_intents.create_async({}, {"idempotency_key": key})

    async def test_error_response_of_an_endpoint_is_replayed(self, side: Side) -> None:
        customer = await side.customer("pm_card_chargeCustomerFail")
        invoice = await side.opened(customer.id, 1000)
        invoices, key = side.client.v1.invoices, _key()
        with pytest.raises(stripe.CardError):
            await invoices.pay_async(invoice.id, options={"idempotency_key": key})
        method = await side.client.v1.payment_methods.attach_async(
            "pm_card_visa", {"customer": customer.id}
        )
        await invoices.update_async(invoice.id, {"default_payment_method": method.id})
        with pytest.raises(stripe.CardError):
            await invoices.pay_async(invoice.id, options={"idempotency_key": key})

    async def test_validation_error_is_not_stored(self, side: Side) -> None:
        customers, key = side.client.v1.customers, _key()
        wrong: Any = {"foo": 1}
        with pytest.raises(stripe.InvalidRequestError):
            await customers.create_async(wrong, {"idempotency_key": key})
        assert (await customers.create_async({"name": "A"}, {"idempotency_key": key})).id

    async def test_idempotency_key_expires_after_one_day(
        self, fake: FakeStripe, client: stripe.StripeClient
    ) -> None:
        options: stripe.RequestOptions = {"idempotency_key": "k"}
        first = await client.v1.customers.create_async({}, options)
        fake.clock.advance(timedelta(hours=24))
        assert (await client.v1.customers.create_async({}, options)).id != first.id

    async def test_concurrent_requests_with_one_key_return_409(self, fake: FakeStripe) -> None:
        fake.slow(0.2)
        async with raw(fake, **{"idempotency-key": "k"}) as plain:
            answers = await asyncio.gather(*(plain.post("/v1/customers") for _ in range(2)))
        assert sorted(answer.status_code for answer in answers) == [200, 409]
        assert len(fake.objects("customer")) == 1


def _key() -> str:
    return uuid.uuid4().hex
