"""Readings in the database: write buffer, compressed blocks, rollups, partitions, retention."""
