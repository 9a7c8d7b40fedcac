"""Endpoints of invoices, subscriptions, payments and usage."""
