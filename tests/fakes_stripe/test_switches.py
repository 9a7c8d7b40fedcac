"""The faults that a test turns on, as the official SDK meets them."""

import asyncio

import pytest
import stripe

from tests.fakes_stripe.side import Side
from tests.support.fakes.stripe.running import FakeStripe

pytestmark = pytest.mark.usefixtures("network")


class TestDown:
    async def test_nothing_gets_through_until_it_is_up(
        self, fake: FakeStripe, client: stripe.StripeClient
    ) -> None:
        await client.v1.customers.list_async()
        fake.down()
        with pytest.raises(stripe.APIConnectionError):
            await client.v1.customers.create_async(options={"max_network_retries": 0})
        assert fake.objects("customer") == []
        fake.up()
        assert (await client.v1.customers.create_async()).id


class TestLostAnswers:
    async def test_the_sdk_asks_again_and_gets_the_kept_answer(
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

    async def test_without_a_key_of_ones_own_it_is_done_twice(
        self, fake: FakeStripe, client: stripe.StripeClient
    ) -> None:
        fake.lose_answers(1)
        with pytest.raises(stripe.APIConnectionError):
            await client.v1.customers.create_async(options={"max_network_retries": 0})
        await client.v1.customers.create_async()
        assert len(fake.objects("customer")) == 2

    async def test_with_one_it_is_not(self, fake: FakeStripe, client: stripe.StripeClient) -> None:
        fake.lose_answers(1)
        with pytest.raises(stripe.APIConnectionError):
            await client.v1.customers.create_async(
                options={"max_network_retries": 0, "idempotency_key": "account-7"}
            )
        again = await client.v1.customers.create_async(options={"idempotency_key": "account-7"})
        assert [each["id"] for each in fake.objects("customer")] == [again.id]

    async def test_reads_are_lost_too(self, fake: FakeStripe, client: stripe.StripeClient) -> None:
        fake.lose_answers(1)
        await client.v1.customers.list_async()
        assert fake.count("GET /v1/customers") == 2


class TestErrors:
    async def test_are_tried_again(self, fake: FakeStripe, client: stripe.StripeClient) -> None:
        fake.fail_next(1)
        assert (await client.v1.customers.create_async()).id
        assert fake.count("POST /v1/customers") == 2
        assert fake.executed("POST /v1/customers") == 1

    async def test_reach_the_caller_in_the_end(
        self, fake: FakeStripe, client: stripe.StripeClient
    ) -> None:
        fake.fail_next(1, status=503)
        with pytest.raises(stripe.APIError) as caught:
            await client.v1.customers.create_async(options={"max_network_retries": 0})
        assert caught.value.http_status == 503
        assert fake.objects("customer") == []

    async def test_after_the_work_is_done_are_kept(
        self, fake: FakeStripe, client: stripe.StripeClient
    ) -> None:
        options: stripe.RequestOptions = {"idempotency_key": "account-7"}
        fake.fail_after(1)
        for _ in range(2):
            with pytest.raises(stripe.APIError):
                await client.v1.customers.create_async({"name": "Acme"}, options)
        assert [each["name"] for each in fake.objects("customer")] == ["Acme"]
        assert fake.count("POST /v1/customers") == 2

    async def test_a_rate_limit_is_not_tried_again(
        self, fake: FakeStripe, client: stripe.StripeClient
    ) -> None:
        fake.rate_limit(1)
        with pytest.raises(stripe.RateLimitError):
            await client.v1.customers.create_async()
        assert (await client.v1.customers.create_async()).id


class TestSlowness:
    async def test_what_the_caller_gave_up_is_done_all_the_same(
        self, fake: FakeStripe, client: stripe.StripeClient
    ) -> None:
        fake.slow(0.2)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await client.v1.customers.create_async()
        fake.slow(0)
        await asyncio.sleep(0.3)
        assert len(fake.objects("customer")) == 1
