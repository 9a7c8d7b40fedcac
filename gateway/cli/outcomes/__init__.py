"""`maas outcomes`: contracts, evidence, settlements and disputes."""
