"""Asset Administration Shells (metamodel 3.0) with submodels of the IDTA, as JSON and AASX."""
