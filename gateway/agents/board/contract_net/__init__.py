"""Contract net of a team, pure: bids, leases, verdicts that conflict, plans and oscillation."""
