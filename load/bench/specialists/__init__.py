"""Specialists through the gateway: how soon they answer, how much they bear, and variants."""
