"""OPC UA information models in NodeSet2 XML."""
