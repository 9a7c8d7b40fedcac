"""Surface defects from pictures: a frozen backbone, and a head that each customer fits."""
