"""Alipay (open platform, payment by QR code): the only package that knows its API."""
