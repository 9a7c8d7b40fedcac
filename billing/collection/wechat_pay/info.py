"""What is known of WeChat Pay without credentials."""

from billing.collection.payments.provider import ProviderInfo

WECHAT_PAY = ProviderInfo(
    name="wechat_pay",
    label="WeChat Pay",
    notification_path="/collectors/wechat_pay/notifications",
    acknowledgement='{"code":"SUCCESS","message":"OK"}',
    acknowledgement_type="application/json",
)
