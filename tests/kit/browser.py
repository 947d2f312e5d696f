"""A headless Chromium, driven by Playwright: Debian's, or the one that ``CHROMIUM`` names. Without one tests skip."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

from tests.kit.http import SECRET
from verbwire.security.tokens import mint_token

_STATUS = "Failed to load resource"  # a browser tells so of each 4xx and 5xx, which pages expect
PATIENCE = 20_000  # milliseconds: what a worker shows of the cluster may be eight seconds old
_NAMES = ("chromium", "chromium-browser", "google-chrome")


def chromium() -> str | None:
    """Where it is."""
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, _NAMES)), None)


@contextmanager
def running_chromium() -> Iterator[Browser]:
    path = chromium()
    if path is None:
        pytest.skip("no Chromium is on this machine: apt-get install chromium, or name one by CHROMIUM")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-dev-shm-usage"])
        try:
            yield browser
        finally:
            browser.close()


class Visitor:
    """Somebody who has the console open. What the page logs as an error fails the test that closes it."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url
        self.errors: list[str] = []
        page.set_default_timeout(PATIENCE)
        expect.set_options(timeout=PATIENCE)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", self._note)

    def _note(self, message: ConsoleMessage) -> None:
        if message.type == "error" and not message.text.startswith(_STATUS):
            self.errors.append(message.text)

    def sign_in(self, actor: str, *scopes: str) -> None:
        """Sign in by the form."""
        self.page.goto(f"{self.url}/console")
        self.page.get_by_label("Token", exact=True).fill(mint_token(SECRET, actor, scopes))
        self.page.get_by_role("button", name="Sign in").click()
        self.page.get_by_role("navigation").wait_for()

    def go(self, hash: str) -> None:
        """Open a view."""
        self.page.evaluate("hash => { location.hash = hash }", hash)


@contextmanager
def visitor(browser: Browser, url: str, width: int = 1280, dark: bool = False) -> Iterator[Visitor]:
    context = browser.new_context(
        viewport={"width": width, "height": 800}, color_scheme="dark" if dark else "light", reduced_motion="reduce"
    )
    try:
        found = Visitor(context.new_page(), url)
        yield found
        assert found.errors == []
    finally:
        context.close()
