"""Billing: metering, rating, subscriptions, invoices, ledger, collection, notices and reports.

Packages import only lower layers, in the order of the import contract in pyproject.toml.
"""
