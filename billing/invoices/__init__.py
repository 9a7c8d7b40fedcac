"""From usage to a paid invoice: drafts, closing, settling, credit notes, the credit left."""
