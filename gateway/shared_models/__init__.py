"""New versions of models shared by all accounts: trained on feedback, evaluated, promoted."""
