"""Exchange formats of the plant model: Brick, Asset Administration Shell, OPC UA NodeSet2.

Importers take the bytes of a file and return a PlantModel; exporters return a file. Both list what
could not be represented. Nothing here reads a database or a network.
"""
