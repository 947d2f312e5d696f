"""What a project declares: its folders imported, its groups found, chosen by folder or by name."""

from __future__ import annotations

import importlib
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kit.bank import SAMPLES
from verbwire.errors import ConfigurationError, ContractError
from verbwire.project import Project, load_project
from verbwire.settings import load_settings

OURS = ("schemas", "consumers", "streams", "producers")
RECEIVER = """
from schemas.jars import JarState
from verbwire import Aggregate
{name} = Aggregate("bank.{name}", state=JarState)
"""
TABLE = """
from schemas.jars import JarRow
from verbwire import Table
{name} = Table("bank.{name}", row=JarRow)
"""


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    """A project's folder; what is imported from it is forgotten afterwards."""
    (tmp_path / "pyproject.toml").write_text('[tool.verbwire]\nproject = "bank"\n', "utf-8")
    shutil.copytree(SAMPLES, tmp_path / "schemas")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", [each for each in sys.path if not (Path(each) / "consumers").is_dir()])
        for name in [each for each in sys.modules if each.partition(".")[0] in OURS]:
            patch.delitem(sys.modules, name)
        importlib.invalidate_caches()
        yield tmp_path
        for name in [each for each in sys.modules if each.partition(".")[0] in OURS]:
            del sys.modules[name]


def write(root: Path, file: str, source: str) -> None:
    (root / file).parent.mkdir(exist_ok=True, parents=True)
    (root / file).write_text(source, "utf-8")


def load(root: Path) -> Project:
    return load_project(load_settings(root))


def test_declarations_are_found_in_their_folders(root: Path) -> None:
    write(root, "consumers/__init__.py", "")
    write(root, "consumers/jars.py", RECEIVER.format(name="jars"))
    write(root, "consumers/deeper/books.py", RECEIVER.format(name="books"))
    write(root, "consumers/deeper/__init__.py", "")
    write(root, "streams/all.py", TABLE.format(name="jars") + TABLE.format(name="totals"))  # no __init__ beside it
    project = load(root)
    assert project.groups == ["bank.books.aggregate", "bank.jars", "bank.jars.aggregate", "bank.totals"]
    assert [each.namespace for each in project.aggregates] == ["bank.books", "bank.jars"]
    assert [each.table for each in project.tables] == ["jars", "totals"]
    assert project.catalog.find("PutCoins").name == "bank.jars.PutCoins"


def test_declarations_in_folders_inside_are_found_without_an_init(root: Path) -> None:
    write(root, "streams/reports/monthly/jars.py", TABLE.format(name="jars"))
    write(root, "streams/.ipynb_checkpoints/jars.py", TABLE.format(name="again"))
    write(root, "streams/__init__.py", TABLE.format(name="totals"))
    assert load(root).groups == ["bank.jars", "bank.totals"]


def test_groups_are_chosen_by_folder_or_name(root: Path) -> None:
    write(root, "consumers/jars.py", RECEIVER.format(name="jars"))
    write(root, "streams/jars.py", TABLE.format(name="jars"))
    write(root, "streams/totals.py", TABLE.format(name="totals"))
    project = load(root)
    assert project.chosen([]) == ["bank.jars", "bank.jars.aggregate", "bank.totals"]
    assert project.chosen(["streams"]) == ["bank.jars", "bank.totals"]
    assert project.chosen(["consumers", "bank.totals"]) == ["bank.jars.aggregate", "bank.totals"]
    assert project.chosen(["bank.totals", "streams", "bank.totals"]) == ["bank.totals", "bank.jars"]
    with pytest.raises(ConfigurationError, match=r"called bank\.jar: there are .*bank\.jars\.aggregate"):
        project.chosen(["bank.jar"])


def test_a_declaration_imported_by_another_module_is_one(root: Path) -> None:
    write(root, "streams/jars.py", TABLE.format(name="jars"))
    write(root, "streams/more.py", "from streams.jars import jars as again\n")
    assert load(root).groups == ["bank.jars"]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (("streams/a.py", TABLE), ("streams/b.py", TABLE)),
        (("consumers/a.py", RECEIVER), ("consumers/b.py", RECEIVER)),
        (("consumers/a.py", TABLE), ("streams/b.py", TABLE)),
    ],
    ids=["tables", "receivers", "folders"],
)
def test_two_declarations_of_one_name_are_refused(root: Path, first: tuple[str, str], second: tuple[str, str]) -> None:
    for file, source in (first, second):
        write(root, file, source.format(name="jars"))
    with pytest.raises(ContractError, match=r"two declarations are called bank\.jars"):
        load(root)


@pytest.mark.parametrize(("names", "said"), [([], "declares no group"), (["streams"], "declares none")])
def test_a_project_without_declarations_has_nothing_to_host(root: Path, names: list[str], said: str) -> None:
    if names:
        write(root, "consumers/jars.py", RECEIVER.format(name="jars"))
    with pytest.raises(ConfigurationError, match=said):
        load(root).chosen(names)


def test_an_import_error_of_a_module_is_not_hidden(root: Path) -> None:
    write(root, "streams/jars.py", "import consumers.never_there\n")
    with pytest.raises(ModuleNotFoundError, match="consumers"):
        load(root)
    write(root, "consumers/__init__.py", "import never_there\n")
    with pytest.raises(ModuleNotFoundError, match="never_there"):
        load(root)


def test_a_package_of_the_same_name_elsewhere_is_not_the_projects(root: Path, tmp_path: Path) -> None:
    installed = tmp_path / "installed"
    write(installed, "streams/__init__.py", "raise RuntimeError('somebody else')\n")
    sys.path.append(str(installed))
    write(root, "consumers/jars.py", RECEIVER.format(name="jars"))
    assert load(root).groups == ["bank.jars.aggregate"]
    write(installed, "streams/__init__.py", "")
    write(root, "streams/jars.py", TABLE.format(name="jars"))
    with pytest.raises(ContractError, match=r"`import streams` gives .*installed.*: add an __init__\.py"):
        load(root)


def test_the_project_stands_before_what_is_installed(root: Path) -> None:
    write(root, "streams/jars.py", TABLE.format(name="jars"))
    load(root)
    assert sys.path[0] == str(root)
    assert sys.modules["streams.jars"].__file__ == str(root / "streams" / "jars.py")


def test_every_contract_has_its_class(root: Path) -> None:
    classes = load(root).classes
    assert classes["bank.jars.PutCoins"].__contract__ == "bank.jars.PutCoins"
    assert {"bank.jars.JarRow", "bank.books.BookClosed"} <= classes.keys()


@pytest.mark.parametrize(
    ("old", "new"),
    [("class ShakeJar(", "class ShookJar("), ('__contract__ = "bank.jars.ShakeJar"', '__contract__ = "bank.jars.X"')],
)
def test_a_class_that_was_not_generated_is_told(root: Path, old: str, new: str) -> None:
    module = root / "schemas/jars/__init__.py"
    module.write_text(module.read_text("utf-8").replace(old, new), "utf-8")
    with pytest.raises(ContractError, match=r"no class ShakeJar: run `verbwire schemas generate`"):
        load(root).classes  # noqa: B018


RESOURCE = """
from collections.abc import Iterator
from verbwire import resource

@resource
def {name}() -> Iterator[int]:
    yield 1
"""
HEARING = """
from verbwire import Subscriber
from consumers.database import first, second
{name} = Subscriber("bank.{name}")
"""


def test_a_resource_is_opened_by_workers_of_the_modules_that_name_it(root: Path) -> None:
    write(root, "consumers/database.py", "".join(RESOURCE.format(name=each) for each in ("first", "second", "idle")))
    write(root, "consumers/mail.py", HEARING.format(name="mail"))
    write(root, "consumers/orders.py", "from consumers.database import first\n" + RECEIVER.format(name="orders"))
    write(root, "streams/all.py", TABLE.format(name="totals"))
    project = load(root)

    def opened(*groups: str) -> list[str]:
        return [each.where.rpartition(".")[2] for each in project.resources_of(groups)]

    assert opened("bank.mail") == [
        "first",
        "second",
        "idle",
    ]  # nobody names the idle one, so it is not known whose it is
    assert opened("bank.orders.aggregate") == ["first", "idle"]
    assert opened("bank.totals") == ["idle"]


def test_a_resource_of_a_responder_is_opened_by_every_worker(root: Path) -> None:
    write(root, "consumers/database.py", RESOURCE.format(name="first") + RESOURCE.format(name="second"))
    write(root, "consumers/mail.py", HEARING.format(name="mail").replace("first, second", "second"))
    answers = 'from consumers import database\nfrom verbwire import Responder\nprices = Responder("bank.prices")\n'
    write(root, "consumers/prices.py", answers)
    write(root, "streams/all.py", TABLE.format(name="totals"))
    project = load(root)
    assert len(project.resources_of(["bank.totals"])) == len(project.resources_of(["bank.mail"])) == 2
