"""Pure parts of plant alignment: probabilities, units, assets, training files, pairs of points."""
