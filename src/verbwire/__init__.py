"""verbwire: commands, events and queries made real on Kafka."""
