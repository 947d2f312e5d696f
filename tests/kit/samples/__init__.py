"""Sample projects of the tests: contracts and their generated classes."""
