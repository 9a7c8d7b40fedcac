"""New versions of shared models, trained on customer feedback and evaluated before promotion."""
