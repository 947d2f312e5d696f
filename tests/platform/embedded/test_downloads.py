"""What the embedded stack downloads: pinned, verified, resumed, shared; from a small server in this process."""

from __future__ import annotations

import hashlib
import os
import re
import signal
import subprocess
import sys
import tarfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.kit.cluster import eventually
from verbwire.embedded import artifacts, download, trees
from verbwire.embedded.artifacts import REGISTRY, Artifact
from verbwire.embedded.installation import install
from verbwire.embedded.lock import ROOTS
from verbwire.embedded.progress import Lines, Silent
from verbwire.errors import UnavailableError

BODY = bytes(range(256)) * 4096
WANTED = Artifact("part", hashlib.sha256(BODY).hexdigest(), len(BODY), "some.group:thing:bin:all:1.2")
# The same installation in a process of its own.
INSTALL = f"""
from verbwire.embedded import artifacts
from verbwire.embedded.installation import install
from verbwire.embedded.progress import Lines
wanted = artifacts.Artifact({WANTED.part!r}, {WANTED.sha256!r}, {WANTED.size}, {WANTED.coordinate!r})
artifacts.locked = lambda: (wanted,)
install(["part"], Lines())
"""


class Repository(ThreadingHTTPServer):
    """A Maven repository with one file."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.body = BODY
        self.ranges = True  # whether it honours a Range
        self.cut = 0  # how many answers break off in the middle
        self.trickles = False  # whether it takes for ever
        self.asked: list[tuple[str, str | None]] = []  # path and Range of each request

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/maven"


class _Answer(BaseHTTPRequestHandler):
    server: Repository

    def do_GET(self) -> None:
        wanted = self.headers["range"]
        self.server.asked.append((self.path, wanted))
        start = int(re.sub(r"\D", "", wanted)) if wanted and self.server.ranges else 0
        body = self.server.body[start:]
        self.send_response(206 if start else 200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        if self.server.trickles:
            while body:
                threading.Event().wait(0.02)
                self.wfile.write(body[:1000])
                body = body[1000:]
        if self.server.cut:
            self.server.cut -= 1
            body = body[: len(body) // 2]
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


@pytest.fixture
def repository(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Repository]:
    with Repository() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        monkeypatch.setenv("VERBWIRE_MAVEN", server.url)
        monkeypatch.setenv("VERBWIRE_CACHE", str(tmp_path))
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        monkeypatch.setattr(artifacts, "locked", lambda: (WANTED,))
        artifacts.maven_context.cache_clear()
        yield server
        server.shutdown()
        thread.join()
        artifacts.maven_context.cache_clear()


def installed() -> Path:
    [path] = install(["part"], Silent())["part"]
    return path


def test_a_file_comes_from_its_coordinate_and_is_kept(
    repository: Repository, capsys: pytest.CaptureFixture[str]
) -> None:
    [path] = install(["part"], Lines())["part"]
    assert path.read_bytes() == BODY
    assert installed() == path
    assert repository.asked == [("/maven/some/group/thing/1.2/thing-1.2-all.bin", None)]
    assert "downloading: 1 of 1 MB" in capsys.readouterr().out


@pytest.mark.parametrize("damage", [b"x" + BODY[1:], BODY[:-1], b""])
def test_a_damaged_file_is_fetched_again(repository: Repository, damage: bytes) -> None:
    path = installed()
    path.write_bytes(damage)
    assert installed().read_bytes() == BODY
    assert len(repository.asked) == 2


def test_a_broken_connection_is_resumed(repository: Repository) -> None:
    repository.cut = 2
    assert installed().read_bytes() == BODY
    starts = [int(wanted[6:-1]) if wanted else 0 for _, wanted in repository.asked]
    assert starts[0] == 0 < starts[1] < starts[2]


def test_a_download_without_ranges_begins_again(repository: Repository) -> None:
    repository.cut, repository.ranges = 1, False
    assert installed().read_bytes() == BODY
    assert len(repository.asked) == 2


def test_a_download_of_other_bytes_than_the_pinned_is_refused(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "_WRONG_BYTES", download.ATTEMPTS)
    repository.body = b"y" * len(BODY)
    with pytest.raises(UnavailableError, match=r"thing-1\.2-all\.bin .*checksum is not the pinned one"):
        installed()
    assert not list(artifacts.cache_folder().rglob("thing*"))


def test_ctrl_c_ends_a_download_and_the_next_run_resumes(repository: Repository) -> None:
    repository.trickles = True
    part = artifacts.cache_folder() / "jars" / f"{WANTED.filename}.part"
    with subprocess.Popen([sys.executable, "-c", INSTALL], stderr=subprocess.DEVNULL) as running:
        try:
            eventually(lambda: part.exists() and part.stat().st_size > 5000, 20)
            running.send_signal(signal.SIGINT)
            assert running.wait(10) != 0
        finally:
            running.kill()
    kept = part.stat().st_size
    repository.trickles = False
    assert installed().read_bytes() == BODY
    assert repository.asked[-1][1] == f"bytes={kept}-"


def test_several_processes_download_once(repository: Repository) -> None:
    together = [subprocess.Popen([sys.executable, "-c", INSTALL]) for _ in range(3)]
    assert [one.wait(30) for one in together] == [0, 0, 0]
    assert len(repository.asked) == 1
    assert installed().read_bytes() == BODY


def tree(repository: Repository, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """What the registry's archive was unpacked to; the archive itself is gone."""
    made = tmp_path / "made"
    (made / "lib" / "main").mkdir(parents=True)
    (made / "lib" / "main" / "a.jar").write_bytes(b"a" * 1000)
    (made / "app").mkdir()
    with tarfile.open(tmp_path / "all.tar.gz", "w:gz") as tar:
        tar.add(made, ".")
    repository.body = (tmp_path / "all.tar.gz").read_bytes()
    checksum = hashlib.sha256(repository.body).hexdigest()
    one = Artifact(REGISTRY, checksum, len(repository.body), "some.group:app:tar.gz:1", trees.digest(made))
    monkeypatch.setattr(artifacts, "locked", lambda: (one,))
    install([REGISTRY], Silent())
    return artifacts.cache_folder() / REGISTRY / checksum[:16]


def test_an_archive_is_unpacked_once(repository: Repository, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    unpacked = tree(repository, monkeypatch, tmp_path)
    assert unpacked / "lib" / "main" / "a.jar" in install([REGISTRY], Silent())[REGISTRY]
    assert len(repository.asked) == 1


@pytest.mark.parametrize("harm", ["a byte", "one more", "one less", "a link"])
def test_unpacked_files_that_are_not_the_archives_are_replaced(
    repository: Repository, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, harm: str
) -> None:
    """Sizes and times may be what they were."""
    unpacked = tree(repository, monkeypatch, tmp_path)
    jar = unpacked / "lib" / "main" / "a.jar"
    times = jar.stat()
    match harm:
        case "a byte":
            jar.write_bytes(b"b" + b"a" * 999)
            os.utime(jar, ns=(times.st_atime_ns, times.st_mtime_ns))
        case "one more":
            (jar.parent / "evil.jar").write_bytes(b"evil")
        case "one less":
            jar.unlink()
        case "a link":
            jar.parent.rename(tmp_path / "elsewhere")
            jar.parent.symlink_to(tmp_path / "elsewhere")
    install([REGISTRY], Silent())
    assert len(repository.asked) == 2
    assert [path.name for path in jar.parent.iterdir()] == ["a.jar"]
    assert jar.read_bytes() == b"a" * 1000
    assert not jar.parent.is_symlink()


def test_every_root_is_locked_with_a_checksum() -> None:
    locked = artifacts.locked()
    assert {(root.part, root.coordinate) for root in ROOTS} <= {(one.part, one.coordinate) for one in locked}
    assert all(re.fullmatch("[0-9a-f]{64}", one.sha256) and one.size > 0 for one in locked)
    assert all(re.fullmatch("[0-9a-f]{64}", one.tree) for one in locked if one.part == REGISTRY)
