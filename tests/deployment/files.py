"""What is in `deploy/`: what ``verbwire new`` would write for the shop.

Dashboard and alert rules are the other way round: they are made here (tests/dashboard.py, deploy/prometheus/alerts.yml)
and copied into the template.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from textwrap import indent

from verbwire.scaffolding.create import create_project
from verbwire.scaffolding.requirement import Requirement

ROOT = Path(__file__).parents[2]
TEMPLATE = ROOT / "src/verbwire/scaffolding/template"
MADE_HERE = ("deploy/prometheus/alerts.yml", "deploy/grafana/verbwire.json")
RULES = "deploy/kubernetes/monitoring/rules.yaml"
_RULES_HEAD = """\
# deploy/prometheus/alerts.yml for the Prometheus operator.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: workers
  labels: {app.kubernetes.io/name: @dns@}
spec:
"""


def templates() -> dict[Path, str]:
    """Return the files of the template that are made of files of this repository."""
    copies = {_template(name): (ROOT / name).read_text("utf-8") for name in MADE_HERE}
    _, groups, rules = (ROOT / MADE_HERE[0]).read_text("utf-8").partition("groups:\n")
    return copies | {_template(RULES): _RULES_HEAD + indent(groups + rules, "  ")}


def rendered() -> dict[Path, str]:
    """Return `deploy/` of this repository, as the template has it."""
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "shop"
        written = create_project("shop", made, Requirement("0"))
        return {ROOT / each: (made / each).read_text("utf-8") for each in written if each.parts[0] == "deploy"}


def _template(name: str) -> Path:
    return TEMPLATE / f"{name}.tmpl"
