"""Operators' pages that publish files: plans, prepaid packs and credit policies."""
