"""Tests. A package, so that pytest puts the root on the path, not this folder with its `platform` in it."""
