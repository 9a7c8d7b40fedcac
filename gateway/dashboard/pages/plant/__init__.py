"""Pages of the plant: tree, assets, points, imports, mapping queue, identifiers and traces."""
