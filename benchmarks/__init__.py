"""Speed, claimed side by side: verbwire, the bare loop by hand, and its peers, on one broker in one run.

``make bench`` (``ARGS=--quick`` for a minute, ``PEERS=1`` for peers that have to be installed first) writes
``results/<date>.json`` and ``results/<date>.md``. Trust the ratios: absolute figures move by half from run to run.
"""
