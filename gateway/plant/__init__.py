"""Plant model: assets, points, semantic alignment, knowledge graph, telemetry and identifiers."""
