"""Clients of the library."""
