"""Notification endpoints: webhooks, chat robots and mailboxes that receive an account's events."""
