"""Whether rows, totals, books and Stripe agree. Nothing is mended here."""
