"""Readings of plant points: parsing, filtering at the source, compression, storage, aggregation.

The modules of this package, `formats` and `filtering` are pure; `storage` uses the database.
"""
