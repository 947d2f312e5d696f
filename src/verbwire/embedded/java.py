"""Command lines for the embedded JRE."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from verbwire.embedded.installation import Installation, install
from verbwire.embedded.progress import report

# The client compiler and the serial collector halve the start of a JVM and its memory; peak speed is not the point.
QUICK = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-XX:-UsePerfData", "-Djava.awt.headless=true")


def java_command(main_class: str, *args: str, options: Sequence[str] = QUICK) -> list[str]:
    """The command that runs a Java class of Kafka or its console tools on the embedded JRE.

    Downloads what is missing, quietly. Example: ``java_command("org.apache.kafka.tools.consumer.ConsoleConsumer",
    "--bootstrap-server", stack.bootstrap, "--topic", "t", "--from-beginning")``.
    """
    found = install(report(shown=False))
    return run_class(found, [*found.kafka, *found.tools], options, main_class, *args)


def run_class(
    found: Installation, class_path: Sequence[Path], options: Sequence[str], main_class: str, *args: str
) -> list[str]:
    """The same, from a given installation and class path."""
    return [str(found.java), *options, "-cp", os.pathsep.join(map(str, class_path)), main_class, *args]
