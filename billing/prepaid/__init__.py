"""Prepaid packs, vouchers and automatic top-ups."""
