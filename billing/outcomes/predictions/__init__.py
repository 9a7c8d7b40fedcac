"""The prediction ledger: signed, hash-chained records of predictions, their events and scores."""
