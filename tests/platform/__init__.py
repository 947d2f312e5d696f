"""Tests of src/verbwire."""
