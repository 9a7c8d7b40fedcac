"""Faults that tests can inject into the fake Stripe, seen by the official SDK."""

import asyncio

import pytest
import stripe

from tests.fakes_stripe.side import Side
from tests.support.fakes.stripe.running import FakeStripe

pytestmark = pytest.mark.usefixtures("network")


class TestOutage:
    async def test_requests_fail_until_the_server_is_up(
        self, fake: FakeStripe, client: stripe.StripeClient
    ) -> None:
        await client.v1.customers.list_async()
        fake.down()
        with pytest.raises(stripe.APIConnectionError):
            await client.v1.customers.create_async(options={"max_network_retries": 0})
        assert fake.objects("customer") == []
        fake.up()
        assert (await client.v1.customers.create_async()).id


class TestLostResponses:
    async def test_sdk_retry_returns_the_stored_response(
        self, fake: FakeStripe, on_fake: Side
    ) -> None:
        customer = await on_fake.customer()
        invoice = await on_fake.opened(customer.id, 1000)
        fake.lose_answers(1)
        paid = await on_fake.client.v1.invoices.pay_async(invoice.id)
        assert paid.status == "paid"
        assert fake.count("POST /v1/invoices/{id}/pay") == 2
        assert fake.executed("POST /v1/invoices/{id}/pay") == 1
        assert len(fake.objects("charge")) == 1

    async def test_repeated_request_without_an_idempotency_key_is_executed_twice(
        self, fake: FakeStripe, client: stripe.StripeClient
    ) -> None:
        fake.lose_answers(1)
        with pytest.raises(stripe.APIConnectionError):
            await client.v1.customers.create_async(options={"max_network_retries": 0})
        await client.v1.customers.create_async()
        assert len(fake.objects("customer")) == 2

    async def test_repeated_request_with_an_idempotency_key_is_executed_once(
        self, fake: FakeStripe, client: stripe.StripeClient
    ) -> None:
        fake.lose_answers(1)
        with pytest.raises(stripe.APIConnectionError):
            await client.v1.customers.create_async(
                options={"max_network_retries": 0, "idempotency_key": "account-7"}
            )
        again = await client.v1.customers.create_async(options={"idempotency_key": "account-7"})
        assert [each["id"] for each in fake.objects("customer")] == [again.id]

    async def test_lost_response_of_a_read_is_retried(
        self, fake: FakeStripe, client: stripe.StripeClient
    ) -> None:
        fake.lose_answers(1)
        await client.v1.customers.list_async()
        assert fake.count("GET /v1/customers") == 2


class TestServerErrors:
    async def test_server_error_is_retried_by_the_sdk(
        self, fake: FakeStripe, client: stripe.StripeClient
    ) -> None:
        fake.fail_next(1)
        assert (await client.v1.customers.create_async()).id
        assert fake.count("POST /v1/customers") == 2
        assert fake.executed("POST /v1/customers") == 1

    async def test_server_error_without_retries_is_raised(
        self, fake: FakeStripe, client: stripe.StripeClient
    ) -> None:
        fake.fail_next(1, status=503)
        with pytest.raises(stripe.APIError) as caught:
            await client.v1.customers.create_async(options={"max_network_retries": 0})
        assert caught.value.http_status == 503
        assert fake.objects("customer") == []

    async def test_error_after_execution_is_replayed(
        self, fake: FakeStripe, client: stripe.StripeClient
    ) -> None:
        options: stripe.RequestOptions = {"idempotency_key": "account-7"}
        fake.fail_after(1)
        for _ in range(2):
            with pytest.raises(stripe.APIError):
                await client.v1.customers.create_async({"name": "Acme"}, options)
        assert [each["name"] for each in fake.objects("customer")] == ["Acme"]
        assert fake.count("POST /v1/customers") == 2

    async def test_rate_limit_error_is_not_retried(
        self, fake: FakeStripe, client: stripe.StripeClient
    ) -> None:
        fake.rate_limit(1)
        with pytest.raises(stripe.RateLimitError):
            await client.v1.customers.create_async()
        assert (await client.v1.customers.create_async()).id


class TestSlowResponses:
    async def test_request_abandoned_by_the_caller_is_still_executed(
        self, fake: FakeStripe, client: stripe.StripeClient
    ) -> None:
        fake.slow(0.2)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await client.v1.customers.create_async()
        fake.slow(0)
        await asyncio.sleep(0.3)
        assert len(fake.objects("customer")) == 1
