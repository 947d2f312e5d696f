"""Runs all checks. One that cannot be done is told as unknown, and the others go on."""

from __future__ import annotations

import msgspec
from confluent_kafka import KafkaException

from verbwire.errors import UnavailableError, VerbwireError
from verbwire.inspection.doctor.brokers import check_brokers
from verbwire.inspection.doctor.diagnosis import Check, Diagnosis, Patient
from verbwire.inspection.doctor.machine import check_machine
from verbwire.inspection.doctor.placement import check_placement
from verbwire.inspection.doctor.rebuilds import check_rebuilds
from verbwire.inspection.doctor.receivers import check_receivers
from verbwire.inspection.doctor.running import check_running, check_workers
from verbwire.inspection.doctor.standing import check_schemas, check_topics
from verbwire.inspection.doctor.transactions import check_transactions
from verbwire.inspection.reading.cluster_view import ClusterView, in_order
from verbwire.redaction import without_secrets

CHECKS: dict[str, Check] = {
    "this machine": check_machine,
    "brokers": check_brokers,
    "topics": check_topics,
    "schemas": check_schemas,
    "key placement": check_placement,
    "one receiver": check_receivers,
    "transactions": check_transactions,
    "rebuilds": check_rebuilds,
    "what runs": check_running,
    "workers": check_workers,
}


class Examination(msgspec.Struct, frozen=True, kw_only=True):
    """What was found, the gravest first; the facts that were met; what could not be looked at, and why."""

    diagnoses: tuple[Diagnosis, ...]
    facts: dict[str, str]
    unknown: dict[str, str]


def examine(view: ClusterView, stale_seconds: float = 60.0, least_disk: float = 0.05) -> Examination:
    """Look at everything. A transaction that is open for longer than `stale_seconds` hangs."""
    patient = Patient(view, {}, stale_seconds, least_disk=least_disk)
    found: list[Diagnosis] = []
    unknown: dict[str, str] = {}
    for name, check in CHECKS.items():
        try:
            found += _all(patient, check)
        except VerbwireError as error:
            unknown[name] = without_secrets(str(error))
        unknown |= view.unknown
    ordered = sorted(dict.fromkeys(found), key=lambda each: (not each.grave, each.check, each.about))
    return Examination(diagnoses=tuple(ordered), facts=patient.facts, unknown=in_order(unknown))


def _all(patient: Patient, check: Check) -> list[Diagnosis]:
    try:
        return [*check(patient)]
    except KafkaException as error:
        raise UnavailableError(f"Kafka did not answer: {error.args[0].str()}") from error
