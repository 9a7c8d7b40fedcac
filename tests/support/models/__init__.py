"""Made-up data and artefacts for tests of models and of serving."""
