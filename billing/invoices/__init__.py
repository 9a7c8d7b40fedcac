"""Invoices: calculation, period close, payments, credit notes and available credit."""
