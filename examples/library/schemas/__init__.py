"""Contracts of the library, and the classes that are generated from them."""
