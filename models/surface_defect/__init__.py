"""Surface-defect classifier for pictures: a frozen backbone and a head fitted per customer."""
