"""WeChat Pay: signatures, keys by serial number, answers and notifications that are not trusted."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import SecretStr

from billing.collection.collector import InvalidNotification
from billing.collection.payments.provider import RefundState, TradeState
from billing.collection.payments.recording import RecordedAs
from billing.collection.wechat_pay.keys import PlatformKeys
from billing.collection.wechat_pay.provider import WeChatPay, create_wechat_pay
from billing.collection.wechat_pay.signing import NotAuthentic, decrypt_resource
from billing.outbox import PermanentFailure, RetryLater
from billing.tables import PaymentOrder
from infra.clock import SystemClock
from infra.settings import Settings, SettingsInvalid
from tests.support.fakes.payments.keys import certificate_pem, private_pem, public_pem
from tests.support.fakes.payments.wechat_pay import API_KEY
from tests.support.stories.payment_story import PaymentStory
from tests.support.stories.story import Firm

Change = Callable[[bytes, dict[str, str]], tuple[bytes, dict[str, str]]]
OLD_SERIAL = "5157F09EFDC096DE15EBE81A47057A7200000001"


async def paid(paying: PaymentStory) -> tuple[Firm, PaymentOrder]:
    """A firm whose top-up of 20.00 is paid; its notification is not delivered."""
    firm = await paying.story.firm()
    order = await paying.orders(firm, "wechat_pay", amount="20.00")
    paying.wechat_pay.pays(order.number)
    return firm, order


def provider(paying: PaymentStory) -> WeChatPay:
    found = paying.checkout.require_provider("wechat_pay")
    assert isinstance(found, WeChatPay)
    return found


def without(name: str) -> Change:
    return lambda body, headers: (body, {k: v for k, v in headers.items() if k != name})


def with_header(name: str, value: str) -> Change:
    return lambda body, headers: (body, {**headers, name: value})


class TestForgedNotifications:
    async def test_changed_and_unsigned_notifications_are_refused(
        self, paying: PaymentStory
    ) -> None:
        firm, order = await paid(paying)
        authentic = paying.wechat_pay.payment_notification(order.number)
        stale = str(int((paying.story.clock.now() - timedelta(seconds=301)).timestamp()))
        changes: list[Change] = [
            lambda body, headers: (body + b" ", headers),
            lambda body, headers: (b"", headers),
            lambda body, headers: (body, {}),
            without("wechatpay-signature"),
            with_header("wechatpay-signature", "%%"),
            with_header("wechatpay-signature", "V0VDSEFUUEFZL1NJR05URVNUL2FiYw=="),
            with_header("wechatpay-signature-type", "WECHATPAY2-SM2-WITH-SM3"),
            with_header("wechatpay-timestamp", "now"),
            with_header("wechatpay-timestamp", stale),
            with_header("wechatpay-serial", "0" * 40),
            with_header("wechatpay-serial", "../../etc/passwd"),
        ]
        for change in changes:
            with pytest.raises(InvalidNotification):
                await paying.receives("wechat_pay", change(*authentic))
        assert await firm.wallet() == "0.00"
        assert await paying.receives("wechat_pay", authentic) is RecordedAs.CREDITED

    async def test_old_notification_is_refused(self, paying: PaymentStory) -> None:
        _, order = await paid(paying)
        authentic = paying.wechat_pay.payment_notification(order.number)
        paying.story.clock.pass_(seconds=301)
        with pytest.raises(InvalidNotification, match="too old"):
            await paying.receives("wechat_pay", authentic)

    @pytest.mark.parametrize(
        "changes",
        [
            {"mchid": "1900000000"},
            {"appid": "wx0000000000000000"},
            {"out_trade_no": None},
            {"amount": None},
            {"amount": {"total": "2000"}},
            {"transaction_id": None},
        ],
    )
    async def test_signed_notification_of_something_else_is_refused(
        self, paying: PaymentStory, changes: dict[str, Any]
    ) -> None:
        _, order = await paid(paying)
        with pytest.raises(InvalidNotification):
            await paying.receives(
                "wechat_pay", paying.wechat_pay.payment_notification(order.number, **changes)
            )

    @pytest.mark.parametrize(
        "change",
        [{"resource": None}, {"resource": {"algorithm": "AEAD_SM4_GCM"}}, {"resource": {}}],
    )
    async def test_signed_notification_without_a_readable_resource_is_refused(
        self, paying: PaymentStory, change: dict[str, Any]
    ) -> None:
        _, order = await paid(paying)
        body, _ = paying.wechat_pay.payment_notification(order.number)
        changed = json.dumps({**json.loads(body), **change}).encode()
        headers = paying.wechat_pay.signature_headers(changed)
        with pytest.raises(InvalidNotification, match=r"cannot be decrypted|no resource"):
            await paying.receives("wechat_pay", (changed, headers))

    async def test_refund_notification_without_an_amount_or_of_another_merchant_is_refused(
        self, paying: PaymentStory
    ) -> None:
        for content in ({"mchid": "1"}, {"mchid": "1900009191"}):
            told = paying.wechat_pay.notification("REFUND.SUCCESS", content)
            with pytest.raises(InvalidNotification):
                await paying.receives("wechat_pay", told)

    async def test_signed_text_that_is_no_notification_is_refused(
        self, paying: PaymentStory
    ) -> None:
        headers = paying.wechat_pay.signature_headers(b"hello")
        with pytest.raises(InvalidNotification, match="not a JSON object"):
            await paying.receives("wechat_pay", (b"hello", headers))

    async def test_payment_without_a_readable_time_is_credited_now(
        self, paying: PaymentStory
    ) -> None:
        _, order = await paid(paying)
        told = paying.wechat_pay.payment_notification(order.number, success_time="noon")
        assert await paying.receives("wechat_pay", told) is RecordedAs.CREDITED
        assert (await paying.reads(order)).paid_at == paying.story.clock.now()

    async def test_other_kinds_of_notification_are_of_no_concern(
        self, paying: PaymentStory
    ) -> None:
        told = paying.wechat_pay.notification("COUPON.USE", {"mchid": "1900009191"})
        assert await paying.receives("wechat_pay", told) is RecordedAs.UNCHANGED

    async def test_method_that_is_not_configured_is_refused(self, paying: PaymentStory) -> None:
        with pytest.raises(InvalidNotification, match="not configured"):
            await paying.receives("cash", (b"", {}))


class TestKeys:
    async def test_key_is_rotated_and_the_old_one_refused_once_removed(
        self, paying: PaymentStory
    ) -> None:
        firm, order = await paid(paying)
        old = paying.wechat_pay.payment_notification(order.number)
        paying.wechat_pay.rotate()
        new = paying.wechat_pay.payment_notification(order.number)
        with pytest.raises(InvalidNotification, match="unknown key"):
            await paying.receives("wechat_pay", new)
        paying.wechat_pay.install(paying.keys_dir)
        assert await paying.receives("wechat_pay", old) is RecordedAs.CREDITED
        assert await paying.receives("wechat_pay", new) is RecordedAs.UNCHANGED
        (paying.keys_dir / f"{OLD_SERIAL}.pem").unlink()
        with pytest.raises(InvalidNotification, match="unknown key"):
            await paying.receives("wechat_pay", old)
        assert await firm.wallet() == "20.00"

    async def test_certificates_are_fetched_and_stored_by_serial_number(
        self, paying: PaymentStory
    ) -> None:
        paying.wechat_pay.rotate()
        keys, serial = PlatformKeys(paying.keys_dir), paying.wechat_pay.serial
        assert keys.find(serial, paying.story.clock.now()) is None
        assert list(await provider(paying).fetch_keys()) == [serial]
        assert keys.find(serial, paying.story.clock.now()) is not None
        assert list(await provider(paying).fetch_keys()) == []
        with pytest.raises(ValueError, match="another serial number"):
            keys.store(OLD_SERIAL, certificate_pem("wechat 2", serial))

    async def test_certificates_that_cannot_be_decrypted_are_refused(
        self, paying: PaymentStory, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        fake = "tests.support.fakes.payments.wechat_pay.API_KEY"
        monkeypatch.setattr(fake, "another key that has 32 characters"[:32])
        with pytest.raises(RetryLater, match="certificates"):
            await provider(paying).fetch_keys()

    async def test_public_key_is_found_and_asked_for(self, paying: PaymentStory) -> None:
        name = "PUB_KEY_ID_0119000091912026110100000000000001"
        (paying.keys_dir / f"{name}.pem").write_text(public_pem("wechat 2"))
        keys = PlatformKeys(paying.keys_dir)
        assert keys.preferred_serial() == name
        assert keys.find(name, paying.story.clock.now()) is not None
        firm = await paying.story.firm()
        assert (await paying.orders(firm, "wechat_pay", amount="20.00")).state == "pending"

    async def test_expired_certificate_and_other_files_are_no_keys(
        self, paying: PaymentStory
    ) -> None:
        ended = datetime(2026, 9, 1, tzinfo=UTC)
        serial, now = "7777F09EFDC096DE15EBE81A47057A7200000003", paying.story.clock.now()
        file = paying.keys_dir / f"{serial}.pem"
        file.write_bytes(certificate_pem("wechat 1", serial, ended))
        keys = PlatformKeys(paying.keys_dir)
        assert keys.find(serial, now) is None
        file.write_text("nothing")
        assert keys.find(serial, now) is None

    def test_resource_without_text_cannot_be_decrypted(self) -> None:
        resource = {"algorithm": "AEAD_AES_256_GCM", "nonce": "n" * 12, "ciphertext": "%"}
        with pytest.raises(NotAuthentic):
            decrypt_resource(API_KEY.encode(), resource)


class TestAnswers:
    async def test_answer_that_is_not_signed_by_wechat_pay_is_not_believed(
        self, paying: PaymentStory
    ) -> None:
        _, order = await paid(paying)
        paying.wechat_pay.ledger.is_signed = False
        with pytest.raises(RetryLater, match="cannot be trusted"):
            await paying.checkout.query(order)
        assert (await paying.reads(order)).state == "pending"

    async def test_unreachable_server_is_asked_again_later(self, paying: PaymentStory) -> None:
        settings = Settings(
            **{**paying.settings.model_dump(), "wechat_pay_api_base": "http://127.0.0.1:9"}
        )
        unreachable = create_wechat_pay(settings, paying.story.clock)
        assert unreachable is not None
        with pytest.raises(RetryLater, match="does not respond"):
            await unreachable.query_order("n")
        await unreachable.close()

    @pytest.mark.parametrize("rejection", ["SYSTEM_ERROR", "FREQUENCY_LIMITED"])
    async def test_temporary_rejection_is_asked_again_later(
        self, paying: PaymentStory, rejection: str
    ) -> None:
        paying.wechat_pay.ledger.rejection = rejection
        with pytest.raises(RetryLater, match=rejection):
            await provider(paying).query_order("n")

    async def test_other_rejections_are_permanent(self, paying: PaymentStory) -> None:
        paying.wechat_pay.ledger.rejection = "NO_AUTH"
        found = provider(paying)
        with pytest.raises(PermanentFailure, match="NO_AUTH"):
            await found.query_order("n")
        with pytest.raises(PermanentFailure, match="NO_AUTH"):
            await found.close_order("n")

    async def test_unknown_order_and_refund_are_absent(self, paying: PaymentStory) -> None:
        found = provider(paying)
        assert (await found.query_order("n")).state is TradeState.ABSENT
        await found.close_order("n")
        _, order = await paid(paying)
        paying.wechat_pay.ledger.trades[order.number].status = "REVOKED"
        paying.wechat_pay.ledger.trades[order.number].paid_at = None
        assert (await found.query_order(order.number)).state is TradeState.CLOSED

    async def test_malformed_answers_are_asked_for_again(
        self, paying: PaymentStory, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        _, order = await paid(paying)
        fake, found = paying.wechat_pay, provider(paying)
        monkeypatch.setattr(fake, "transaction", lambda number: {"mchid": "1"})
        with pytest.raises(RetryLater, match="something else"):
            await found.query_order(order.number)
        monkeypatch.undo()
        await paying.is_paid(order)
        refund = await paying.refunds(order, 500)
        monkeypatch.setattr(fake, "_refund_json", lambda trade, refund: {"status": "SUCCESS"})
        assert await paying.polls() == (0, 1)
        assert [one.state for one in await paying.refunds_of(order)] == [RefundState.PENDING]
        assert refund.minor == 500


class TestSettings:
    @pytest.mark.parametrize(
        ("values", "message"),
        [
            ({"wechat_pay_keys_dir": None}, "MAAS_WECHAT_PAY_KEYS_DIR"),
            ({"wechat_pay_app_id": None}, "MAAS_WECHAT_PAY_APP_ID"),
            ({"wechat_pay_private_key": SecretStr("-----x")}, "PRIVATE_KEY is not a private key"),
            ({"public_url": None}, "MAAS_PUBLIC_URL"),
        ],
    )
    async def test_incomplete_settings_are_refused(
        self, paying: PaymentStory, values: dict[str, Any], message: str
    ) -> None:
        settings = Settings(**{**paying.settings.model_dump(), **values})
        with pytest.raises(SettingsInvalid, match=message):
            create_wechat_pay(settings, paying.story.clock)

    def test_without_a_merchant_it_is_off(self) -> None:
        assert create_wechat_pay(Settings(), SystemClock()) is None

    def test_keys_are_pem(self) -> None:
        assert private_pem("wechat merchant").startswith("-----BEGIN PRIVATE KEY-----")
