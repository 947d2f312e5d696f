"""Speed, claimed side by side: verbwire, the bare loop by hand, and its peers, on one broker in one run.

``make bench`` (``ARGS=--quick`` for two minutes, ``ARGS="--only table,asking"`` for some of it, ``ARGS=--long`` for all
of it) writes ``results/<date>.md``, ``.json`` and plots. Trust the ratios: absolute figures move by half from run to
run.
`sections` is what it measures, `rounds` how a case is run, `results` what becomes of its figures.
"""
