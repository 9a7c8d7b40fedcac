"""Endpoints of the Admin API for credit: policies, accounts' credit, securities, exposure."""
