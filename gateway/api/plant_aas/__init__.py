"""`/v1/plant/aas/api/v3.0`: read access to assets by the AAS API of the IDTA.

Its operations are those of the specification IDTA-01002, so they are not in the OpenAPI document.
"""
