"""Pages of the plan: subscription, plans on offer, and add-ons."""
