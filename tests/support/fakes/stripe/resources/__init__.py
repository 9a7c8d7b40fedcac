"""Stripe's objects, one module for the routes of each and one for its shape."""
