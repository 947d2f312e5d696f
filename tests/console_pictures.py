"""``python -m tests.console_pictures URL TOKEN``: takes the pictures of docs/console of a running worker of the shop.

Best under load: while `python -m producers.demo` sends its sales.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from tests.kit.browser import chromium

FOLDER = Path(__file__).parents[1] / "docs" / "console"
ORDER, FLOW = "536365", "8e75f03206765e16%3Acheckout%3A536365"
# Name: address, seconds until it shows all, height, width, colours
VIEWS = {
    "overview": ("#/", 22, 940, 1280, "light"),
    "overview-dark": ("#/", 16, 940, 1280, "dark"),
    "groups": ("#/groups", 14, 560, 1280, "light"),
    "message": ("#/messages/shop.orders.PlaceOrder", 8, 900, 1280, "light"),
    "tables": ("#/tables", 5, 560, 1280, "dark"),
    "table": ("#/tables/shop.orders?status=CONFIRMED&sort=-customer_id", 6, 640, 1280, "light"),
    "row": (f"#/tables/shop.orders/{ORDER}", 15, 740, 1280, "light"),
    "trace": (f"#/trace/{FLOW}", 25, 960, 1280, "light"),
    "rejections": ("#/rejections", 12, 620, 1280, "light"),
    "dead-letters": ("#/dead-letters", 10, 420, 1280, "dark"),
    "phone": ("#/groups", 8, 780, 390, "dark"),
}


def take(browser: Browser, url: str, token: str, name: str) -> None:
    """Take one picture."""
    address, seconds, height, width, colours = VIEWS[name]
    context = browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme="dark" if colours == "dark" else "light",
        reduced_motion="reduce",
    )
    page = context.new_page()
    page.goto(f"{url}/console")
    page.get_by_label("Token", exact=True).fill(token)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("navigation").wait_for()
    page.evaluate("hash => { location.hash = hash }", address)
    page.wait_for_timeout(seconds * 1000)
    page.screenshot(path=FOLDER / f"{name}.png")
    context.close()


def main() -> None:
    """Take those that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("token")
    parser.add_argument("views", nargs="*", default=[*VIEWS])
    given = parser.parse_args()
    FOLDER.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        for name in given.views:
            take(browser, given.url, given.token, name)
        browser.close()


if __name__ == "__main__":
    main()
