"""The Stripe collector: the only package that knows Stripe."""
