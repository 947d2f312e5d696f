"""The console's page and files: for everybody, without data, and with nothing in them that a browser should not run."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import verbwire.http.console
from tests.kit.http import Http, problem, serving
from verbwire.http.console.pages import ASSETS, ConsolePages, is_console_page

STATIC = Path(verbwire.http.console.__file__).parent / "static"
FILES = sorted(str(each.relative_to(STATIC)) for each in STATIC.rglob("*.*"))
SCRIPTS = [each for each in FILES if each.endswith(".js")]
SINKS = re.compile(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|srcdoc|javascript:")
IMPORT = re.compile(r"^import .*? from '([^']+)';$", re.MULTILINE)


@pytest.fixture(scope="module")
def http() -> Iterator[Http]:
    with serving(parts=[ConsolePages()], static=is_console_page) as http:
        yield http


@pytest.mark.parametrize("path", ["/console", *(ASSETS + each for each in FILES if each != "index.html")])
def test_console_files_are_for_everybody_and_say_what_a_browser_may_do(http: Http, path: str) -> None:
    answer = http.nobody.get(path)
    assert answer.status_code == 200, answer.text
    policy = answer.headers["content-security-policy"].split("; ")
    assert policy[0] == "default-src 'none'"
    assert {"script-src 'self'", "frame-ancestors 'none'", "require-trusted-types-for 'script'"} <= {*policy}
    assert "unsafe" not in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    kinds = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
    assert answer.headers["content-type"].startswith(kinds.get(path.rpartition(".")[2], "text/html"))
    again = http.nobody.get(path, headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_console_files_are_those_of_its_folder_alone(http: Http) -> None:
    for path in ("nothing.js", "../pages.py", "%2e%2e/pages.py", "..%2fpages.py", "", "css"):
        problem(http.operator.get(ASSETS + path), 404, "no_such_page")
    problem(http.nobody.get("/console?token=x"), 400, "unknown_parameter")
    problem(http.nobody.post("/console"), 405, "method_not_allowed")


def test_console_files_do_not_open_what_lies_beside_them(http: Http) -> None:
    for path in ("/consoles", "/console//", "/console/x", "/console/api/session", "/console/api/status", "/tables"):
        problem(http.nobody.get(path), 401, "unauthenticated")


def test_the_console_is_found_with_a_slash_behind_it(http: Http) -> None:
    answer = http.nobody.get("/console/")
    assert (answer.status_code, answer.headers["location"], answer.content) == (308, "../console", b"")
    assert http.nobody.get("/console/", follow_redirects=True).text.startswith("<!doctype html>")


def test_the_console_page_has_no_inline_code_and_names_no_other_host() -> None:
    page = (STATIC / "index.html").read_text()
    assert not re.search(r"<style|style=|\son\w+=|<script(?![^>]* src=)", page)
    for name in FILES:
        text = (STATIC / name).read_text()
        assert not re.findall(r"https?://(?!www\.w3\.org/)[\w.]+", text), name


@pytest.mark.parametrize("name", SCRIPTS)
def test_console_scripts_make_no_markup_out_of_text(name: str) -> None:
    assert not SINKS.findall((STATIC / name).read_text())


@pytest.mark.parametrize("name", SCRIPTS)
def test_console_scripts_import_what_is_there(name: str) -> None:
    """A browser says nothing until somebody opens the view."""
    text = (STATIC / name).read_text()
    for found in IMPORT.findall(text):
        target = ((STATIC / name).parent / found).resolve()
        assert target.is_file(), f"{name} imports {found}"
    for names, found in re.findall(r"^import \{ ([^}]+) \} from '([^']+)';$", text, re.MULTILINE):
        exported = ((STATIC / name).parent / found).read_text()
        for each in (part.split(" as ")[0].strip() for part in names.split(",")):
            assert re.search(rf"export (?:async )?(?:function\*?|const|class) {each}\b", exported), f"{each} of {found}"
