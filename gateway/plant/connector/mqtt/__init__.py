"""MQTT: brokers, topics and payloads of plain messages."""
