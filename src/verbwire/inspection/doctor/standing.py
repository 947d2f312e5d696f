"""What stands on the cluster beside what is declared: topics and schemas, as `verbwire deploy` would find them."""

from __future__ import annotations

from collections.abc import Iterator

from verbwire.deploy.group_plan import group_plans, internal_contracts
from verbwire.deploy.ownership import ownership
from verbwire.deploy.schemas import RegistrySchemas
from verbwire.deploy.target import Target
from verbwire.deploy.topics import ClusterTopics
from verbwire.inspection.doctor.diagnosis import Diagnosis, Patient

_MEND = "what stands there contradicts what is declared: mend the one that is wrong, then `verbwire deploy`"


def check_topics(patient: Patient) -> Iterator[Diagnosis]:
    """Compare topics with the declarations: partitions, settings, and which are missing. Nothing is changed."""
    project = patient.view.project
    cluster = ClusterTopics(Target.of(project.settings))
    plans = group_plans(project.declared.values(), project.catalog)
    planned, problems = cluster.plan(project.catalog, plans, set(ownership(project).owned))
    for text in problems:
        yield Diagnosis(check="topics", about="topics", what=text, do=_MEND, grave=True)
    for name in cluster.missing(planned):
        what = "there is no such topic"
        yield Diagnosis(check="topics", about=name, what=what, do="run `verbwire deploy`", grave=True)
    for note in cluster.notes:
        do = "set it as planned (kafka-configs.sh --alter), or be sure that it is meant"
        yield Diagnosis(check="topics", about="topics", what=note, do=do, grave="retention" in note)


def check_schemas(patient: Patient) -> Iterator[Diagnosis]:
    """Compare the registry with the contracts: versions and levels of compatibility. Nothing is changed."""
    project, registry = patient.view.project, patient.view.registry
    patient.facts["registry"] = f"{registry.shown}, {len(registry.all_subjects())} subjects"
    schemas = RegistrySchemas(registry, patient.view.names, project.settings.retired, dry_run=True)
    internal = internal_contracts(group_plans(project.declared.values(), project.catalog))
    for text in schemas.plan(project.catalog, set(ownership(project).owned), internal):
        yield Diagnosis(check="schemas", about="schemas", what=text, do=_MEND, grave=True)
    for name in schemas.new():
        yield Diagnosis(
            check="schemas",
            about=name,
            what="this contract is not registered in the version that is here",
            do="run `verbwire deploy`: until then nobody can write this version",
        )
    for name in schemas.levels:
        yield Diagnosis(
            check="schemas",
            about=name,
            what="its level of compatibility is not the one that is needed",
            do="run `verbwire deploy`, which sets it",
        )
