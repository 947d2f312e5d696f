"""Logs: as JSON, a line is one object whatever is in it; level and form come from the settings."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from pathlib import Path

from verbwire.observability.logs import JsonFormatter

CLI = ("-c", "from verbwire.cli import main; main()")
LINES = """
import logging, warnings
from verbwire.observability.logs import set_up_logging
set_up_logging({level!r}, {form!r})
for name in ("verbwire.worker", "aiokafka"):
    for level in (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR):
        logging.getLogger(name).log(level, "said")
warnings.warn("a warning of Python's", stacklevel=1)
"""


def said(level: str, form: str) -> list[str]:
    program = LINES.format(level=level, form=form)
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return ran.stderr.splitlines()


def test_a_line_of_json_is_one_object_with_whatever_is_in_it() -> None:
    try:
        raise ValueError("two\nlines and \udc80")
    except ValueError:
        record = logging.makeLogRecord(
            {
                "name": "verbwire.x",
                "levelname": "ERROR",
                "msg": "%s\n%s",
                "args": ("a", '"b"'),
                "exc_info": sys.exc_info(),
            }
        )
    (line,) = JsonFormatter().format(record).split("\n")
    told = json.loads(line)
    assert (told["logger"], told["level"], told["message"]) == ("verbwire.x", "ERROR", 'a\n"b"')
    assert told["time"].endswith("Z")
    assert told["exception"].startswith("Traceback")
    assert "two\nlines" in told["exception"]


def test_json_is_all_that_is_written() -> None:
    told = [json.loads(line) for line in said("info", "json")]
    assert [(each["logger"], each["level"]) for each in told] == [
        ("verbwire.worker", "INFO"),
        ("verbwire.worker", "WARNING"),
        ("verbwire.worker", "ERROR"),
        ("aiokafka", "WARNING"),
        ("aiokafka", "ERROR"),
        ("py.warnings", "WARNING"),
    ]


def test_a_level_is_that_of_our_own_lines_and_libraries_warn_at_least() -> None:
    count = {level: len(said(level, "text")) for level in ("debug", "error")}
    assert count["error"] == 2
    assert count["debug"] >= 4 + 2


def test_an_error_of_the_command_line_is_json_too(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[tool.verbwire]\nlog_format = "json"\n', "utf-8")
    clean = {name: value for name, value in os.environ.items() if not name.startswith("VERBWIRE_")}
    ran = subprocess.run([sys.executable, *CLI, "workers"], cwd=tmp_path, env=clean, capture_output=True, text=True)
    assert ran.returncode == 2
    assert json.loads(ran.stderr)["message"].startswith("ConfigurationError: no embedded Kafka runs")
