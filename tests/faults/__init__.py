"""Faults, and the proof that they did no harm: a checker of its own, workers that are killed, bugs that are planted."""
