"""Payment orders: invoices paid and wallets topped up by QR code (WeChat Pay, Alipay)."""
