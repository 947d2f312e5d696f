"""``verbwire deploy`` and ``verbwire stack``: what stands on the cluster, and an embedded one."""
from __future__ import annotations


def deploy() -> None:
    """Create topics and register schemas; run twice, it changes nothing."""


def stack() -> None:
    """Run the embedded Kafka and registry until Ctrl-C."""
