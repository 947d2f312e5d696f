"""What runs: groups and workers as `status` finds them, and the workers' versions, contracts, clocks and open files."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import closing
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from importlib.metadata import version

from verbwire.inspection.doctor.diagnosis import Diagnosis, Patient
from verbwire.inspection.living_workers import heard_now
from verbwire.inspection.status import status
from verbwire.inspection.worker_http import OperatorHttp, WorkerAnswer

_RUNNING, _WORKERS = "what runs", "workers"
_CLOCK_SECONDS = 15.0  # workers believe each other's tokens for half a minute
_FILES_PART = 0.8
_FILES = re.compile(r"^process_(open|max)_fds (\S+)$", re.MULTILINE)


def check_running(patient: Patient) -> Iterator[Diagnosis]:
    """Report what is odd about groups, dead letters and the directory of workers."""
    report = status(patient.view)
    there = sum(each.state == "there" for each in report.workers)
    patient.facts["workers"] = f"{there} there, {len(report.workers) - there} other entries"
    for odd in report.oddities:
        yield Diagnosis(check=_RUNNING, about=odd.about, what=odd.what, do=odd.do, grave=odd.stands_still)


def check_workers(patient: Patient) -> Iterator[Diagnosis]:
    """Ask each worker which code it runs, and compare its clock with ours, and ours with the broker's."""
    yield from _broker_clock(patient)
    with closing(OperatorHttp(patient.view)) as http:
        for name, answer in http.ask_each("/openapi.json").items():
            if isinstance(answer, str):
                yield _silent(name, answer)
                continue
            yield from _code(patient, name, answer)
            yield from _clock(name, answer)
        for name, answer in http.ask_each("/metrics").items():
            if not isinstance(answer, str):
                yield from _files(name, answer)


def _broker_clock(patient: Patient) -> Iterator[Diagnosis]:
    directory = patient.view.unless_unknown("the directory of workers", lambda: patient.view.directory)
    if directory is not None:
        heard_now(directory)
    broker = directory.broker_now_ms() if directory else None
    if broker is None:
        patient.view.unknown["the broker's clock"] = "no worker was heard: their beats tell it"
        return
    apart = broker / 1000 - time.time()
    patient.facts["clock"] = f"the broker's is {apart:+.1f} s of this machine's"
    if abs(apart) > _CLOCK_SECONDS:
        yield Diagnosis(
            check=_WORKERS,
            about="clock",
            what=f"the broker's clock is {apart:+.0f} s of this machine's",
            do="set both by NTP: deadlines and tokens are judged by them",
        )


def _silent(name: str, why: str) -> Diagnosis:
    return Diagnosis(
        check=_WORKERS, about=name, what=why, do="see that it runs, and that its address is reached from here"
    )


def _code(patient: Patient, name: str, answer: WorkerAnswer) -> Iterator[Diagnosis]:
    info = answer.body.get("info") if isinstance(answer.body, dict) else None
    if answer.status != HTTPStatus.OK or not isinstance(info, dict):
        patient.view.unknown[f"contracts of {name}"] = f"it answered {answer.status} to GET /openapi.json"
        return
    ours = patient.view.project.catalog.version
    if info.get("version") != ours:
        yield Diagnosis(
            check=_WORKERS,
            about=name,
            what=f"it runs other contracts ({info.get('version')}) than are here ({ours})",
            do="in the midst of a rollout that is as it should be; else deploy and restart it with this code",
        )
    theirs = info.get("x-verbwire-version")
    if theirs is not None and theirs != version("verbwire"):
        yield Diagnosis(
            check=_WORKERS,
            about=name,
            what=f"it runs verbwire {theirs}, here is {version('verbwire')}",
            do="update the older one: see the upgrade note of the versions between",
        )


def _clock(name: str, answer: WorkerAnswer) -> Iterator[Diagnosis]:
    try:
        theirs = parsedate_to_datetime(answer.date or "").timestamp() + 0.5  # it tells whole seconds
    except ValueError:
        return
    apart = theirs - answer.at
    if abs(apart) > _CLOCK_SECONDS + answer.took:
        yield Diagnosis(
            check=_WORKERS,
            about=name,
            what=f"its clock is {apart:+.0f} s of this machine's",
            do="set both by NTP: workers believe each other's tokens for half a minute",
        )


def _files(name: str, answer: WorkerAnswer) -> Iterator[Diagnosis]:
    found = dict(_FILES.findall(answer.text))
    used, most = float(found.get("open", 0)), float(found.get("max", 0))
    if most and used > _FILES_PART * most:
        yield Diagnosis(
            check=_WORKERS,
            about=name,
            what=f"{used:,.0f} of {most:,.0f} files are open",
            do="raise its limit of open files (`ulimit -n`, LimitNOFILE of systemd)",
        )
