"""Read access to assets by the AAS API of the IDTA (version 3.0): repository, registry, discovery.

Everything here works on values: JSON objects of the metamodel and a plant model.
"""
