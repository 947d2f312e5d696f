"""This machine: versions, the codec, open files, the disk that local copies are on."""

from __future__ import annotations

import platform
import shutil
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import confluent_kafka

from verbwire.inspection.doctor.diagnosis import Diagnosis, Patient
from verbwire.observability import descriptors
from verbwire.wire.avro import compiled

_CHECK = "this machine"
_LEAST_FILES = 1024


def check_machine(patient: Patient) -> Iterator[Diagnosis]:
    """Look at Python, the libraries, the limit of open files and the disk."""
    patient.facts["verbwire"] = version("verbwire")
    patient.facts["Python"] = platform.python_version()
    patient.facts["librdkafka"] = confluent_kafka.libversion()[0]
    patient.facts["codec"] = compiled.told()
    files = descriptors.limit()
    patient.facts["open files"] = f"{files:,} allowed"
    if not compiled.AVAILABLE:
        yield Diagnosis(check=_CHECK, about="codec", what="Avro is not compiled here", do=compiled.told())
    if files < _LEAST_FILES:
        yield Diagnosis(
            check=_CHECK,
            about="open files",
            what=f"{files:,} are allowed, a worker with a few tables needs more",
            do="raise the limit where workers are started (`ulimit -n`, LimitNOFILE of systemd)",
        )
    yield from _disk(patient)


def _disk(patient: Patient) -> Iterator[Diagnosis]:
    folder = _standing(patient.view.project.settings.data_folder)
    usage = shutil.disk_usage(folder)
    free = usage.free / usage.total
    patient.facts["disk"] = f"{usage.free / 2**30:,.1f} GiB free ({free:.0%}) where local copies are"
    if free < patient.least_disk:
        yield Diagnosis(
            check=_CHECK,
            about="disk",
            what=f"{usage.free / 2**30:,.1f} GiB are free ({free:.1%}) where local copies are",
            do="free space or move the data folder (VERBWIRE_DATA): partitions wait until their copies can be written",
            grave=True,
        )


def _standing(folder: Path) -> Path:
    return folder if folder.exists() else _standing(folder.parent)
