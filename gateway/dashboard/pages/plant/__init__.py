"""Pages of the plant model: tree, assets, points, imports and the mapping queue."""
