"""Settlements: claims, evidence bundles, replay, charges, credits and disputes."""
