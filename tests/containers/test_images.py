"""The containers' files: one version of each image wherever it is named, and nothing that belongs to one machine."""

from __future__ import annotations

import re
from pathlib import Path

from tests.kit import cluster
from verbwire.embedded.artifacts import locked

ROOT = Path(__file__).parents[2]
FILES = sorted(ROOT.glob("docker-compose*.yml"))
IMAGE = re.compile(r"^\s*image: (?!\$)(\S+)$", re.MULTILINE)


def version_of(project: str) -> str:
    """Which version of a project of Maven's the embedded stack is made of."""
    (version,) = {each.coordinate.rpartition(":")[2] for each in locked() if each.coordinate.split(":")[1] == project}
    return version


def test_every_place_that_names_an_image_names_the_version_that_is_embedded() -> None:
    expected = {
        f"apache/kafka:{version_of('kafka_2.13')}",
        f"apicurio/apicurio-registry:{version_of('apicurio-registry-app')}",
    }
    assert {cluster.KAFKA_IMAGE, cluster.REGISTRY_IMAGE} == expected
    named = [image for file in FILES for image in IMAGE.findall(file.read_text("utf-8"))]
    assert len(FILES) == 2
    ours = [image for image in named if not image.startswith(("prom/", "grafana/"))]
    assert sorted(ours) == sorted(expected), "each is named once, others extend it"
    assert all(re.fullmatch(r"[\w/-]+:v?\d+\.\d+\.\d+", image) for image in named), "a version, all of it"


def test_only_what_is_named_gets_into_an_image() -> None:
    lines = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    assert "*" in lines
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", (ROOT / "Dockerfile").read_text("utf-8"), re.MULTILINE)
    assert {name for line in copied for name in line.split()} == {line[1:] for line in lines if line.startswith("!")}
    ignored = (ROOT / ".gitignore").read_text("utf-8").splitlines()
    assert {".env", ".secrets/"} <= set(ignored)
