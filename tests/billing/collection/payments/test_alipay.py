"""Alipay: signatures of parameters and answers, and what is not trusted."""

from typing import Any
from urllib.parse import parse_qsl, urlencode

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from pydantic import SecretStr

from billing.collection.alipay.provider import Alipay, create_alipay
from billing.collection.alipay.signing import NotAuthentic, verify_answer
from billing.collection.collector import InvalidNotification
from billing.collection.payments.provider import RefundRequest, RefundState, TradeState
from billing.collection.payments.recording import RecordedAs
from billing.outbox import PermanentFailure, RetryLater
from infra.clock import SystemClock
from infra.settings import Settings, SettingsInvalid
from tests.support.fakes.payments.alipay import ALIPAY, APPLICATION
from tests.support.fakes.payments.keys import private_pem, public_pem, rsa_key, signed
from tests.support.stories.payment_story import PaymentStory

REFUND = RefundRequest("n", "r", 500, 2000, "CNY", "goodwill")


def provider(paying: PaymentStory) -> Alipay:
    found = paying.checkout.require_provider("alipay")
    assert isinstance(found, Alipay)
    return found


def pem(key: Any) -> str:
    encoded = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return str(encoded.decode())


class TestForgedNotifications:
    async def test_changed_notifications_are_refused(self, paying: PaymentStory) -> None:
        firm = await paying.story.firm()
        order = await paying.orders(firm, "alipay", amount="20.00")
        paying.alipay.pays(order.number)
        authentic, headers = paying.alipay.payment_notification(order.number)
        parameters = dict(parse_qsl(authentic.decode()))
        changed = [
            {**parameters, "total_amount": "2000.00"},
            {**parameters, "out_trade_no": "another"},
            {**parameters, "sign": "c2lnbmF0dXJl"},
            {**parameters, "sign": "%"},
            {**parameters, "sign_type": "RSA"},
            {name: value for name, value in parameters.items() if name != "sign"},
        ]
        bodies = [urlencode(one).encode() for one in changed]
        bodies += [authentic + b"&trade_no=2", b"\xff", b""]
        for body in bodies:
            with pytest.raises(InvalidNotification):
                await paying.receives("alipay", (body, headers))
        assert await firm.wallet() == "0.00"
        assert await paying.receives("alipay", (authentic, headers)) is RecordedAs.CREDITED

    @pytest.mark.parametrize(
        "changes",
        [
            {"app_id": "2021000000000002"},
            {"seller_id": "2088000000000000"},
            {"out_trade_no": ""},
            {"total_amount": "twenty"},
            {"trade_no": ""},
        ],
    )
    async def test_signed_notification_of_something_else_is_refused(
        self, paying: PaymentStory, changes: dict[str, str]
    ) -> None:
        firm = await paying.story.firm()
        order = await paying.orders(firm, "alipay", amount="20.00")
        paying.alipay.pays(order.number)
        with pytest.raises(InvalidNotification):
            await paying.receives(
                "alipay", paying.alipay.payment_notification(order.number, **changes)
            )

    async def test_notification_of_no_trade_is_of_no_concern(self, paying: PaymentStory) -> None:
        firm = await paying.story.firm()
        order = await paying.orders(firm, "alipay", amount="20.00")
        told = paying.alipay.payment_notification(order.number, trade_status="")
        assert await paying.receives("alipay", told) is RecordedAs.UNCHANGED

    async def test_notification_of_a_refund_changes_nothing(self, paying: PaymentStory) -> None:
        firm = await paying.story.firm()
        order = await paying.orders(firm, "alipay", amount="20.00")
        await paying.is_paid(order)
        await paying.refunds(order, 500)
        await paying.polls()
        told = paying.alipay.payment_notification(order.number, gmt_payment="yesterday")
        assert await paying.receives("alipay", told) is RecordedAs.UNCHANGED
        assert await firm.wallet() == "15.00"


class TestAnswers:
    async def test_answer_that_is_not_signed_by_alipay_is_not_believed(
        self, paying: PaymentStory
    ) -> None:
        firm = await paying.story.firm()
        order = await paying.orders(firm, "alipay", amount="20.00")
        paying.alipay.pays(order.number)
        paying.alipay.ledger.is_signed = False
        with pytest.raises(RetryLater, match="cannot be trusted"):
            await paying.checkout.query(order)
        assert (await paying.reads(order)).state == "pending"

    @pytest.mark.parametrize("body", [b"", b"{}", b"\xff", b'{"a_response":{},"sign":"%"}'])
    def test_answer_of_another_form_is_not_believed(self, body: bytes) -> None:
        with pytest.raises(NotAuthentic):
            verify_answer(rsa_key(ALIPAY).public_key(), body, "a_response")

    def test_signed_answer_that_is_no_object_is_not_believed(self) -> None:
        body = f'{{"a_response": [1], "sign": "{signed(ALIPAY, b"[1]")}"}}'.encode()
        with pytest.raises(NotAuthentic, match="not an object"):
            verify_answer(rsa_key(ALIPAY).public_key(), body, "a_response")

    async def test_unreachable_server_is_asked_again_later(self, paying: PaymentStory) -> None:
        settings = Settings(
            **{**paying.settings.model_dump(), "alipay_api_base": "http://127.0.0.1:9"}
        )
        unreachable = create_alipay(settings, paying.story.clock)
        assert unreachable is not None
        with pytest.raises(RetryLater, match="does not respond"):
            await unreachable.query_order("n")
        await unreachable.close()

    async def test_rejections_are_temporary_or_permanent_by_their_code(
        self, paying: PaymentStory
    ) -> None:
        found = provider(paying)
        paying.alipay.ledger.rejection = "ACQ.SYSTEM_ERROR"
        with pytest.raises(RetryLater, match="SYSTEM_ERROR"):
            await found.query_order("n")
        paying.alipay.ledger.rejection, paying.alipay.code = "isp.unknow-error", "20000"
        with pytest.raises(RetryLater, match="unknow-error"):
            await found.query_order("n")
        paying.alipay.ledger.rejection, paying.alipay.code = "isv.missing-signature", "40001"
        for call in (found.query_order("n"), found.close_order("n"), found.query_refund(REFUND)):
            with pytest.raises(PermanentFailure, match="missing-signature"):
                await call

    async def test_unknown_trade_is_absent_and_has_no_refund(self, paying: PaymentStory) -> None:
        found = provider(paying)
        assert (await found.query_order("n")).state is TradeState.ABSENT
        assert await found.query_refund(REFUND) is None
        assert list(await found.fetch_keys()) == []
        await found.close_order("n")

    async def test_refund_that_is_not_reported_yet_is_pending(
        self, paying: PaymentStory, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        firm = await paying.story.firm()
        order = await paying.orders(firm, "alipay", amount="20.00")
        await paying.is_paid(order)
        await paying.refunds(order, 500)
        monkeypatch.setattr(paying.alipay, "_refund_json", lambda trade, number: {})
        await paying.polls()
        assert [one.state for one in await paying.refunds_of(order)] == [RefundState.PENDING]
        paying.alipay.ledger.trades[order.number].refunds = {}
        monkeypatch.undo()

    async def test_malformed_answers_are_asked_for_again(
        self, paying: PaymentStory, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        firm = await paying.story.firm()
        order = await paying.orders(firm, "alipay", amount="20.00")
        paying.alipay.pays(order.number)
        monkeypatch.setattr(paying.alipay, "call", lambda parameters: {})
        with pytest.raises(RetryLater, match="something else"):
            await provider(paying).query_order(order.number)
        again = await paying.opens(firm, "alipay", amount="20.00")
        with pytest.raises(RetryLater, match="no code"):
            await paying.checkout.request_code(firm.account.id, again.id)


class TestSettings:
    @pytest.mark.parametrize(
        ("values", "message"),
        [
            ({"alipay_seller_id": None}, "MAAS_ALIPAY_SELLER_ID"),
            ({"alipay_private_key": SecretStr("%")}, "PRIVATE_KEY is not a private key"),
            ({"alipay_public_key": "%"}, "PUBLIC_KEY is not a public key"),
            ({"public_url": None}, "MAAS_PUBLIC_URL"),
        ],
    )
    async def test_incomplete_settings_are_refused(
        self, paying: PaymentStory, values: dict[str, Any], message: str
    ) -> None:
        settings = Settings(**{**paying.settings.model_dump(), **values})
        with pytest.raises(SettingsInvalid, match=message):
            create_alipay(settings, paying.story.clock)

    async def test_keys_may_be_pem_and_must_be_rsa(self, paying: PaymentStory) -> None:
        values = {
            **paying.settings.model_dump(),
            "alipay_private_key": SecretStr(private_pem(APPLICATION)),
            "alipay_public_key": public_pem(ALIPAY),
        }
        made = create_alipay(Settings(**values), paying.story.clock)
        assert made is not None
        await made.close()
        other, short = Ed25519PrivateKey.generate(), generate_private_key(65537, 1024)
        for key in (other, short):
            wrong = {**values, "alipay_private_key": SecretStr(pem(key))}
            with pytest.raises(SettingsInvalid, match="not an RSA key of at least 2048"):
                create_alipay(Settings(**wrong), paying.story.clock)
        public = other.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        with pytest.raises(SettingsInvalid, match="not an RSA key"):
            create_alipay(
                Settings(**{**values, "alipay_public_key": public.decode()}), paying.story.clock
            )

    def test_without_an_application_it_is_off(self) -> None:
        assert create_alipay(Settings(), SystemClock()) is None
