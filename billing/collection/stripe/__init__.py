"""Stripe: client, invoice mapping, outbox handlers, webhooks and polling."""
