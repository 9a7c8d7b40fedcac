"""Measurement and verification: the saving against an adjusted baseline (IPMVP Option C)."""
