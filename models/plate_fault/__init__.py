"""Steel-plate fault classifier on measures of a picture, trained on Steel Plates Faults."""
