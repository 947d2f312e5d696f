"""What an installed verbwire is: the package alone, complete, and nothing of this repository's project."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROJECT_FOLDERS = ("schemas", "producers", "consumers", "streams", "tests", "benchmarks")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built by the pinned hatchling of the set-up, so that nothing is downloaded."""
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT],
        check=True,
        capture_output=True,
    )
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def site(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel installed into an empty folder; what it depends on stays where it is."""
    folder = tmp_path_factory.mktemp("site")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "--no-deps", "--no-index", "--target", folder, wheel], check=True)
    return folder


def test_the_wheel_holds_verbwire_alone(site: Path) -> None:
    found = {path.name for path in site.iterdir() if not path.name.endswith(".dist-info")}
    assert found == {"verbwire", "bin"}


def test_the_wheel_holds_every_file_of_the_package(wheel: Path) -> None:
    tracked = subprocess.run(
        ["git", "ls-files", "src/verbwire"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.split()
    packed = set(zipfile.ZipFile(wheel).namelist())
    assert {name.removeprefix("src/") for name in tracked if (ROOT / name).exists()} <= packed
    assert "verbwire/py.typed" in packed


def test_the_wheel_has_the_licence_and_the_version_that_stands_in_one_place(wheel: Path) -> None:
    (version,) = re.findall(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    with zipfile.ZipFile(wheel) as packed:
        about = f"verbwire-{version}.dist-info"
        assert packed.read(f"{about}/licenses/LICENSE") == (ROOT / "LICENSE").read_bytes()
        metadata = packed.read(f"{about}/METADATA").decode()
    assert {f"Version: {version}", "License-Expression: Apache-2.0"} <= set(metadata.splitlines())


def test_the_installed_package_imports_from_anywhere_and_brings_no_folder_of_ours(site: Path, tmp_path: Path) -> None:
    code = f"""
import importlib.util, sys, verbwire
assert verbwire.__file__.startswith({str(site)!r}), verbwire.__file__
print([name for name in {PROJECT_FOLDERS!r} if importlib.util.find_spec(name)])
"""
    ran = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={"PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.stdout.strip(), ran.stderr) == ("[]", "")


@pytest.mark.chaos
def test_release_built_twice_in_two_places_is_the_same_bytes(tmp_path: Path) -> None:
    """Wheel, with the compiled codec, and sdist, of what git knows; each built from scratch."""
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True).stdout.split(
        "\n"
    )
    built = []
    for place in (tmp_path / "one", tmp_path / "quite" / "another"):
        for name in filter(None, tracked):
            if name.startswith(("src/", "pyproject", "hatch_build", "README", "CHANGELOG", "LICENSE")):
                (place / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(ROOT / name, place / name)
        subprocess.run(
            [sys.executable, "-m", "build", "--no-isolation", "--outdir", place / "dist", place],
            env={**os.environ, "SOURCE_DATE_EPOCH": "1000000000", "VERBWIRE_CODEC": "required"},
            check=True,
            capture_output=True,
        )
        built.append({each.name: hashlib.sha256(each.read_bytes()).hexdigest() for each in (place / "dist").iterdir()})
    assert built[0] == built[1]
    assert len(built[0]) == 2


@pytest.mark.chaos
def test_new_project_of_the_installed_wheel_passes_its_tests_and_demo_twice(wheel: Path, tmp_path: Path) -> None:
    """As somebody begins: a fresh environment and home, nothing of this repository; packages come from the index."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("VERBWIRE_")}
    cache = kept.get("VERBWIRE_CACHE", str(Path.home() / ".cache" / "verbwire"))  # 200 MB of jars are no question here
    environment = {**kept, "HOME": str(tmp_path), "VERBWIRE_CACHE": cache, "VERBWIRE_HTTP_PORT": "0"}
    environment |= {"PIP_CACHE_DIR": pip_cache(), "PATH": f"{tmp_path / 'fresh' / 'bin'}:{os.environ['PATH']}"}

    def run(folder: Path, *command: str) -> str:
        ran = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stdout + ran.stderr
        return ran.stdout

    run(tmp_path, sys.executable, "-m", "venv", "fresh")
    run(tmp_path, "pip", "install", "--quiet", "--disable-pip-version-check", str(wheel))
    assert "make demo" in run(tmp_path, "verbwire", "new", "home")
    home = tmp_path / "home"
    assert [each.name for each in (home / "wheels").iterdir()] == [wheel.name]
    for times_on in (1, 2):
        assert "6 passed" in run(home, "make", "test")
        shown = run(home, "make", "demo")
        assert "Rejected(code='already_on', reason='light hall is on'" in shown
        assert f"LightRow(light_id='hall', is_on=False, times_on={times_on})" in shown
    run(home, "make", "lint", "types")


def pip_cache() -> str:
    asked = subprocess.run([sys.executable, "-m", "pip", "cache", "dir"], check=True, capture_output=True, text=True)
    return asked.stdout.strip()
