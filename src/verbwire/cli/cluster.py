"""``verbwire deploy`` and ``verbwire stack``: what stands on the cluster, and an embedded one."""

from __future__ import annotations

import signal

from verbwire.settings import load_settings


def stack() -> None:
    """Run the embedded Kafka and registry until Ctrl-C; their data stays for the next time."""
    from verbwire.embedded.stack import Stack

    settings = load_settings()
    # A SIGTERM ends it as a Ctrl-C does: by the same clean way out.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with Stack(settings.stack_folder) as running:
            print(f"Kafka on {running.bootstrap}, registry on {running.registry_url}; Ctrl-C stops both")
            signal.pause()
    except KeyboardInterrupt:
        print("stopped")


def deploy() -> None:
    """Create topics and register schemas; run twice, it changes nothing."""
