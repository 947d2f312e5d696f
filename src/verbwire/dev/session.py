"""One run of ``verbwire dev``, from its start to its end."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from rich.console import Console

from verbwire.dev.board import Board, RejectionView
from verbwire.dev.cluster import cluster, only_one
from verbwire.dev.deployment import deploy_project, generate_classes
from verbwire.dev.dev_workers import DevWorkers
from verbwire.dev.observer import Observer
from verbwire.dev.project_files import Changes, Needed, asked_for
from verbwire.dev.rejections import Rejections
from verbwire.dev.screen import Screen
from verbwire.dev.worker_http import WorkerHttp
from verbwire.settings import Settings, load_settings

_POLL_SECONDS = 0.1
_READY_SECONDS = 90.0
_ENDING = (signal.SIGTERM, signal.SIGHUP)
# What has been taken from the settings once and for all when they are read again.
_PLACES = ("bootstrap", "registry", "data", "http_host", "http_port", "http_tls_certificate", "http_secret", "worker")


@dataclass(frozen=True)
class DevOptions:
    """What may be asked for: how many workers, hosting which groups, with all their log or its warnings alone."""

    workers: int = 1
    groups: Sequence[str] = ()
    verbose: bool = False


def run_dev(settings: Settings, options: DevOptions, command: Sequence[str] = ()) -> int:
    """Keep the project up until SIGINT, SIGTERM or SIGHUP, or until `command` ends; return the exit status.

    :class:`StackError` where another one does so already, and where the workers for `command` do not get ready.
    """
    for each in _ENDING:  # they end it as a Ctrl-C does: by the same clean way out
        signal.signal(each, signal.default_int_handler)
    with ExitStack() as opened:
        opened.enter_context(only_one(settings, command))
        board = Board(f"{settings.project}  Kafka {opened.enter_context(cluster(settings))}")
        screen = Screen(board, Console(highlight=False), panel=not command)
        workers = opened.enter_context(DevWorkers(settings, options.workers, options.groups, options.verbose))
        session = _Session(settings, workers, board, screen)
        return session.run(command) if command else session.stay()


class _Session:
    """The project, once Kafka is there."""

    def __init__(self, settings: Settings, workers: DevWorkers, board: Board, screen: Screen) -> None:
        self._settings = settings
        self._root = settings.root
        self._workers = workers
        self._board = board
        self._screen = screen
        self._rejections = ExitStack()

    def stay(self) -> int:
        """Do again what changes need, until a signal."""
        changes = Changes(self._root, time.monotonic())
        try:
            with self._rejections, self._observed(), self._screen:
                self._apply(Needed.CONTRACTS, "")
                while True:
                    self._look_after()
                    if files := changes.settled(time.monotonic()):
                        changes.take()
                        self._apply(asked_for(files), ", ".join(files))
                    time.sleep(_POLL_SECONDS)
        except KeyboardInterrupt:
            self._screen.say("Stopping the workers, and what was started for them.")
            return 130

    def run(self, command: Sequence[str]) -> int:
        """Run a command once all workers are ready, and return its exit status."""
        if not self._prepared(Needed.CONTRACTS):
            return 1
        self._screen.say("starting the workers")
        self._workers.restart()
        with self._observed():
            self._wait_until_ready()
            self._screen.say(f"ready: {' '.join(command)}")
            return _status(subprocess.run(command, cwd=self._root, check=False).returncode)  # noqa: S603 (the user's)

    def _apply(self, change: Needed, files: str) -> None:
        """Do what a change asks for. Where that fails the workers go on, with the code that they were started with."""
        if change is Needed.NONE:
            return
        began = time.monotonic()
        self._board.doing = f"{files} changed: checking" if files else "checking"
        if files:
            self._screen.say(f"{files} changed")
        if self._prepared(change):
            self._board.doing = "starting the workers again" if files else "starting the workers"
            self._read_settings()
            self._workers.restart()
            self._follow_rejections()
            self._board.doing = f"watching, last started at {time.strftime('%H:%M:%S')}"
            self._screen.say(f"workers started{' again' if files else ''} after {time.monotonic() - began:.1f} s")

    def _read_settings(self) -> None:
        """As the workers will read them now."""
        fresh = load_settings(self._root)
        if moved := [each for each in _PLACES if getattr(fresh, each) != getattr(self._settings, each)]:
            self._screen.say(f"{', '.join(moved)}: takes effect once `verbwire dev` itself is started again", "yellow")
        self._settings = fresh

    def _prepared(self, change: Needed) -> bool:
        steps = (generate_classes, deploy_project) if change is Needed.CONTRACTS else (deploy_project,)
        for step in steps:
            done = step(self._root)
            self._screen.say_all(done.lines, "" if done.well else "red")
            if not done.well:
                self._board.problems = done.lines
                self._board.doing = "waiting for a change that mends this; the workers go on as they were"
                return False
        self._board.problems = ()
        return True

    def _look_after(self) -> None:
        self._screen.say_all(self._workers.revive(), "red")
        for each in self._workers.all:
            self._screen.say_all(f"{each.name} | {line}" for line in each.tail.new_lines())
        self._screen.changed()

    def _observed(self) -> Observer:
        named = [(each.name, WorkerHttp.of(self._settings, each.port)) for each in self._workers.all]
        return Observer(self._board, named)

    def _follow_rejections(self) -> None:
        """By the contracts as they are now."""
        self._rejections.close()
        self._rejections.enter_context(Rejections(self._settings, self._rejected))

    def _rejected(self, rejection: RejectionView) -> None:
        self._board.rejections.append(rejection)
        self._screen.say_where_no_panel_is(f"rejected: {rejection.line}")

    def _wait_until_ready(self) -> None:
        until = time.monotonic() + _READY_SECONDS
        while not self._board.ready:
            for each in self._workers.all:
                if each.child is not None and each.child.ended():
                    raise each.child.failure("ended before it was ready")
                if time.monotonic() > until and each.child is not None:
                    raise each.child.failure(f"was not ready after {_READY_SECONDS:.0f} seconds")
            time.sleep(_POLL_SECONDS)


def _status(returncode: int) -> int:
    """As shells say it: 128 and the signal."""
    return returncode if returncode >= 0 else 128 - returncode
