"""Knowledge: customers' texts in vector stores, found again by meaning and by words."""
