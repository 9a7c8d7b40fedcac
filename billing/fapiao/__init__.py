"""Fapiao (fully digitalised Chinese e-invoices): titles, requests, issuing, red letters."""
