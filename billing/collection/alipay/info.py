"""What is known of Alipay without credentials."""

from billing.collection.payments.provider import ProviderInfo

ALIPAY = ProviderInfo(
    name="alipay",
    label="Alipay",
    notification_path="/collectors/alipay/notifications",
    acknowledgement="success",
    acknowledgement_type="text/plain",
)
