"""The console in a browser: what people see and do, by keyboard and mouse, and what a page must never run."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest
from playwright.sync_api import Browser, Locator, Page, expect
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.kit import notes
from tests.kit.browser import Visitor, running_chromium, visitor
from tests.kit.http import CATALOG, SHELVES, Http, ShelfRow, Table, serving, shelf
from tests.kit.samples.office.notes import NoteTaken
from verbwire import Subscriber
from verbwire import Table as Projection
from verbwire.contracts.schema.model import Catalog
from verbwire.declarations import Declared
from verbwire.errors import RebuildError, UnavailableError
from verbwire.http.avro_json.decode import reader
from verbwire.http.base.requests import header
from verbwire.http.commands.body import read_body
from verbwire.http.console.api import Act, ConsoleApi, Look
from verbwire.http.console.catalog import catalog_of
from verbwire.http.console.dead_letters import DiscardWish, RequeueWish
from verbwire.http.console.drawing import drawing_of
from verbwire.http.console.instances import CancelWish, RetryWish
from verbwire.http.console.pages import ConsolePages, is_console_page
from verbwire.http.console.parked import RetryParkedWish, SkipWish
from verbwire.http.console.rebuilds import StepWish
from verbwire.http.console.scheduled import CancelScheduledWish, FindScheduledWish
from verbwire.http.operations.openapi import OpenApi
from verbwire.inspection.scheduled import ScheduledFilter
from verbwire.project import Project
from verbwire.security.tokens import OPERATOR
from verbwire.settings import Settings

EVIL = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>\u202e"
SEEN = EVIL.replace("\u202e", "\\u{202e}")
NOTE = notes.CATALOG.of(notes.EVENT)
VIEWS = ["#/", "#/messages", f"#/messages/{NOTE.name}", "#/tables", f"#/tables/{SHELVES}", "#/groups", "#/rejections"]
VIEWS += [
    "#/processes",
    "#/dead-letters",
    "#/dead-letters/town.clerk",
    "#/parked",
    "#/parked/town.counts/n",
    "#/scheduled",
    "#/rebuilds",
    f"#/rebuilds/{SHELVES}",
    "#/trace",
    "#/http",
    "#/nothing",
]
ODD = {"about": SHELVES, "what": f"partition 0 stopped: {EVIL}", "do": "mend it", "stands_still": True}
WORKER = {"name": "w1", "url": "", "state": "there", "heard_seconds_ago": 0.2, "groups": 1, "owned": 4, "stopped": 0}
LETTER = {"group": "town.clerk", "place": "0/7", "origin": "town.library.events/0/3", "type": "town.Lent", "id": "n-1"}
PARKED = {"group": "town.counts", "key": "n", "partition": 0, "records": 2, "since": 1_795_880_000_000, "attempts": 1}
BUILT = {"table": SHELVES, "generation": 3, "records": 1_204_000, "left": 3_310_221, "rate": 41_870.0, "seconds": 79.0}
REBUILT = {
    "table": SHELVES,
    "serving": 1,
    "followed": [0, 1],
    "kept": 0,
    "building": 3,
    "builders": 0,
    "left_over": [2],
}
REBUILT |= {
    "progress": BUILT,
    "switching": False,
    "unfinished": False,
    "since_ms": 1_795_880_000_000,
    "seconds": 864_000,
}
LATER: dict[str, Any] = {
    "context": "office.notes",
    "id": "r-1",
    "status": "PENDING",
    "command": "office.notes.TakeNote",
    "key": EVIL,
}
LATER |= {"due": 1_795_880_000_000, "changed": 1, "actor": "ann", "scopes": [], "failure": ""}
PARKED |= {"place": "town.events/0/3", "type": "town.Lent", "id": "n-1", "reason": EVIL}


@dataclass
class Office:
    """What stands behind the console: what it answers, and what came to it."""

    sent: list[tuple[str, str | None, Any]] = field(default_factory=list)
    requeued: list[RequeueWish] = field(default_factory=list)
    done: list[object] = field(default_factory=list)
    stands: bool = False
    away: bool = False

    def lag(self) -> dict[str, Any]:
        if self.away:
            raise UnavailableError("the broker cannot be reached")
        group = {"group": SHELVES, "kind": "table", "records": 7, "seconds": 60.0, "rate": 3.0, "growth": 0.0}
        groups = [{**group, "end_seconds": 2.3, "partitions": []}]
        return {"at_ms": 1_795_880_000_000, "clock": "the broker's", "groups": groups, "unknown": {}}

    def status(self) -> dict[str, Any]:
        odd = [ODD] if self.stands else []
        return {"at_ms": 0, "well": not odd, "oddities": odd, "groups": [], "workers": [WORKER], "unknown": {}}

    def rejections(self) -> dict[str, Any]:
        return {"records": [], "counts": {}, "looked_at": 0}

    def processes(self) -> dict[str, Any]:
        command = {
            "command": "town.Fetch",
            "id": "c-9",
            "place": "town.commands/0/4",
            "seconds": 240.0,
            "outcome": None,
        }
        first = {"process": "town.errand", "key": EVIL, "partition": 0, "since_ms": 1_795_880_000_000, "seconds": 300.0}
        first |= {"last_ms": 1_795_880_100_000, "state": {"wish": EVIL}, "waits_for": [{**command, "outcome": None}]}
        first |= {"deadlines": {}, "trouble": ""}
        second = {
            **first,
            "key": "second",
            "seconds": 2.0,
            "waits_for": [],
            "deadlines": {"payment": 1_795_880_000_000},
        }
        third = {**first, "key": "third", "seconds": 1.0, "waits_for": None}
        total, events = {"town.errand": 60, "town.quiet": 0}, {"town.errand": ["town.Found"], "town.quiet": []}
        instances = [first, second, third]
        return {"instances": instances, "total": total, "events": events, "clock": "the broker's", "unknown": {}}

    def dead_letters(self) -> dict[str, Any]:
        letters = [] if self.requeued else [{**LETTER, "reason": "failed", "since": 1_795_880_000_000, "why": EVIL}]
        return {"groups": [{"group": "town.clerk", "total": len(letters), "letters": letters, "requeues": True}]}

    def requeue(self, wanted: RequeueWish, *_: object, **__: object) -> dict[str, Any]:
        self.requeued.append(wanted)
        return {"requeued": 1, "left": []}

    def discard(self, wanted: DiscardWish, *_: object, **__: object) -> dict[str, Any]:
        self.done.append(wanted)
        return {"discarded": 1, "left": []}

    def parked(self) -> dict[str, Any]:
        return {"parked": [PARKED]}

    def parked_key(self, **_: object) -> dict[str, Any]:
        first = {"place": "town.events/0/3", "type": "town.Lent", "id": "n-1", "time": 1, "since": 2, "reason": EVIL}
        first |= {"detail": EVIL, "attempts": 1, "headers": [], "message": {"wish": EVIL}, "unread": None}
        return {"key": PARKED, "records": [first, {**first, "place": "town.events/0/4", "reason": "", "detail": ""}]}

    def retry(self, wanted: RetryParkedWish, *_: object, **__: object) -> dict[str, Any]:
        self.done.append(wanted)
        return {"asked": 1, "handled": [], "parked": {"n": EVIL}, "waiting": []}

    def skip(self, wanted: SkipWish, *_: object, **__: object) -> dict[str, Any]:
        self.done.append(wanted)
        return {"asked": 1, "handled": ["n"], "parked": {}, "waiting": []}

    def ask_again(self, wanted: RetryWish, *_: object, **__: object) -> dict[str, Any]:
        self.done.append(wanted)
        return {"requests": ["r-1"], "commands": [{"command": "town.Fetch", "id": "c-9", "how": "sent again"}]}

    def cancel(self, wanted: CancelWish, *_: object, **__: object) -> dict[str, Any]:
        self.done.append(wanted)
        return {"requests": ["r-2"], "commands": []}

    def rebuilds(self) -> dict[str, Any]:
        return {"at_ms": 1_795_880_000_000, "tables": [REBUILT], "unknown": {}}

    def compared(self, **_: object) -> dict[str, Any]:
        changed = {"key": EVIL, "what": "changed", "fields": {"books": [13_912, 13_900], "place": [None, EVIL]}}
        counts = {"old_rows": 24_446, "new_rows": 24_447, "added": 0, "removed": 0, "changed": 1, "moving": 2}
        return {"table": SHELVES, "old": 1, "new": 3, **counts, "samples": [changed]}

    def switch(self, wanted: StepWish, *_: object, **__: object) -> dict[str, Any]:
        self.done.append(wanted)
        return {"table": SHELVES, "serving": wanted.generation, "workers": 2, "paused_seconds": 0.21}

    def drop(self, wanted: StepWish, *_: object, **__: object) -> dict[str, Any]:
        self.done.append(wanted)
        raise RebuildError(f"of {SHELVES} it is generation 4 by now, not {wanted.generation}: nothing was done")

    def scheduled(self) -> dict[str, Any]:
        schedule = {"name": "town.weekly", "cron": "0 6 * * MON", "timezone": "UTC", "missed": "last", "failure": ""}
        return {"commands": [LATER], "schedules": [{**schedule, "last": None, "due": 1_795_880_000_000}]}

    def find_scheduled(self, wanted: FindScheduledWish, *_: object) -> dict[str, Any]:
        self.done.append(wanted)
        return {"commands": []}

    def cancel_scheduled(self, *_: object, id: str) -> dict[str, Any]:
        self.done.append(id)
        return {"id": id, "outcome": "too_late", "reason": EVIL}

    async def take(self, request: Request) -> Response:
        """POST /commands/{name}, without a Kafka behind it."""
        body = json.loads(await read_body(request, 10))
        self.sent.append((request.path_params["name"], header(request, "Idempotency-Key"), body))
        if body.get("words") == "no":
            problem = {
                "status": 409,
                "detail": "it is too long",
                "code": "too_long",
                "outcome": "rejected",
                "id": "c-1",
            }
            return Response(json.dumps(problem), 409, media_type="application/problem+json")
        accepted = {"outcome": "accepted", "id": "c-1", "reply": {"note": EVIL}}
        return Response(json.dumps(accepted), media_type="application/json")

    @property
    def routes(self) -> Sequence[Route]:
        return [Route("/commands/{name}", self.take, methods=["POST"])]

    def close(self) -> None:
        """Nothing to let go of."""


def project() -> Project:
    catalog = Catalog({**CATALOG.contracts, **notes.CATALOG.contracts})
    declared: dict[str, Declared] = {
        SHELVES: Projection(SHELVES, row=ShelfRow, index=["books"]),
        "town.clerk": Subscriber("town.clerk"),
    }
    return Project(Settings(project="town"), catalog, declared)


def catalog() -> dict[str, Any]:
    """The event of all types as a command, so that it has a form."""
    found = catalog_of(project())
    for each in found["messages"]:
        if each["name"] == NOTE.name:
            each |= {"kind": "command", "requires": ["notes:write"]}
    return found


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with running_chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def office() -> Office:
    return Office()


@pytest.fixture(scope="module")
def http(office: Office, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Http]:
    shelves = Table(tmp_path_factory.mktemp("tables"), SHELVES, ShelfRow, index=["books"])
    shelves.put([*map(shelf, range(120)), ShelfRow(shelf=EVIL, books=1_000_000)])
    drawing = drawing_of(project())
    looks: dict[str, Look] = {
        "topology": lambda: drawing,
        "lag": office.lag,
        "status": office.status,
        "rejections": office.rejections,
        "processes": office.processes,
        "dead-letters": office.dead_letters,
        "parked": office.parked,
        "parked/{name}/{key}": office.parked_key,
        "rebuilds": office.rebuilds,
        "rebuilds/{name}/diff": office.compared,
        "scheduled": office.scheduled,
    }
    acts = {
        "dead-letters/{name}": Act(RequeueWish, office.requeue),
        "dead-letters/{name}/discard": Act(DiscardWish, office.discard),
        "parked/{name}/retry": Act(RetryParkedWish, office.retry),
        "parked/{name}/skip": Act(SkipWish, office.skip),
        "rebuilds/{name}/switch": Act(StepWish, office.switch),
        "rebuilds/{name}/forget": Act(StepWish, office.drop),
        "scheduled/find": Act(FindScheduledWish, office.find_scheduled),
        "scheduled/{id}/cancel": Act(CancelScheduledWish, office.cancel_scheduled),
        "processes/{name}/{key}/retry": Act(RetryWish, office.ask_again),
        "processes/{name}/{key}/cancel": Act(CancelWish, office.cancel),
    }
    api = ConsoleApi({"project": "town", "worker": "w1", "version": "1"}, catalog(), looks, acts)
    with serving(
        [shelves], parts=[ConsolePages(), api, office, OpenApi("town", CATALOG)], static=is_console_page
    ) as http:
        yield http


@pytest.fixture
def anyone(browser: Browser, http: Http, office: Office) -> Iterator[Visitor]:
    office.sent.clear()
    office.requeued.clear()
    office.done.clear()
    office.stands = office.away = False
    with visitor(browser, str(http.operator.base_url)) as anyone:
        yield anyone


@pytest.fixture
def olga(anyone: Visitor) -> Visitor:
    anyone.sign_in("olga", OPERATOR, "notes:write")
    return anyone


def shown(page: Page) -> Locator:
    return page.get_by_role("main")


def stored(page: Page) -> str:
    return str(page.evaluate("document.cookie + location.href + JSON.stringify(localStorage)"))


def test_a_console_token_stays_in_its_tab_and_out_of_addresses_and_cookies(anyone: Visitor) -> None:
    page = anyone.page
    page.goto(f"{anyone.url}/console")
    page.get_by_label("Token", exact=True).fill("a.b.c")
    page.keyboard.press("Enter")
    expect(page.get_by_text("The token is not valid")).to_be_visible()
    anyone.sign_in("olga", OPERATOR)
    expect(page.get_by_text("olga")).to_be_visible()
    assert "eyJ" not in stored(page)
    page.reload()
    expect(page.get_by_role("navigation")).to_be_visible()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_label("Token", exact=True)).to_be_visible()
    assert page.evaluate("sessionStorage.length") == 0


def test_the_console_says_what_one_may_not_see(anyone: Visitor) -> None:
    anyone.sign_in("ann")
    expect(shown(anyone.page)).to_contain_text("This is for operators: your token lacks the scope verbwire:operator")
    anyone.go(f"#/messages/{NOTE.name}")
    expect(shown(anyone.page)).to_contain_text("Your token lacks notes:write: it will be refused.")


def fill(page: Page, **values: str) -> None:
    for name, value in values.items():
        box = page.locator(f'[data-field="{name}"]')
        element = box.locator("input.code, textarea, select").first
        if element.evaluate("element => element.tagName") == "SELECT":
            element.select_option(value)
        else:
            element.fill(value)


def test_a_console_form_sends_every_type_of_field(olga: Visitor, office: Office) -> None:
    page, event = olga.page, notes.EVENT
    olga.go(f"#/messages/{NOTE.name}")
    fill(page, note_id="n1", taken_at="2010-12-01T08:26:00.123Z", filed_at="1969-12-31T23:59:59.999999Z")
    fill(page, desk_time="2010-12-01T09:26:00.000001", due="2010-12-24", at_time="23:59:59.999999")
    fill(page, folder=str(event.folder), price="-12.50", words=event.words, pages="-1", letters=str(event.letters))
    fill(
        page,
        weight="0.1",
        share="0.5",
        secret="true",
        picture="AP8=",
        checksum="YWJjZA==",
        colour="YELLOW",
        author="ann",
    )
    links = page.locator('[data-field="links"]')
    links.get_by_label("send").check()
    for number, text in enumerate(event.links or ()):
        links.get_by_role("button", name="Add an item").click()
        links.locator("input.code").nth(number).fill(text)
    add_marks(page, event)
    page.get_by_role("checkbox", name="as JSON").check()
    value = json.loads(page.get_by_label(f"{NOTE.name} as JSON").input_value())
    page.get_by_role("checkbox", name="as JSON").uncheck()
    page.get_by_role("button", name="Send NoteTaken").click()
    expect(page.get_by_text("accepted")).to_be_visible()
    name, key, body = office.sent[-1]
    assert name == NOTE.name
    assert key
    assert body == value
    assert msgspec.convert(reader(NOTE)(body), NoteTaken) == msgspec.structs.replace(event, any=None)


def add_marks(page: Page, event: NoteTaken) -> None:
    marks, tags = page.locator('[data-field="marks"]'), page.locator('[data-field="tags"]')
    for number, mark in enumerate(event.marks):
        marks.get_by_role("button", name="Add an item").click()
        item = marks.locator(".item").nth(number)
        item.locator('[data-field$=".at"] input.code').fill(str(mark.at))
        item.locator('[data-field$=".colour"] select').select_option(mark.colour)
        if mark.says is not None:
            item.locator('[data-field$=".says"] input.code').fill(mark.says)
    for number, (tag, worth) in enumerate(event.tags.items()):
        tags.get_by_role("button", name="Add an entry").click()
        item = tags.locator(".item").nth(number)
        item.get_by_placeholder("name").fill(tag)
        item.locator("input.code").nth(1).fill(str(worth))


def test_a_console_form_says_what_is_wrong_before_anything_is_sent(olga: Visitor, office: Office) -> None:
    page = olga.page
    olga.go("#/messages/office.notes.TakeNote")
    page.get_by_role("button", name="Send TakeNote").click()
    fill(page, note_id="n1", words="buy tea", priority="1.5")
    page.get_by_role("button", name="Send TakeNote").click()
    expect(page.get_by_role("alert").filter(has_text="priority")).not_to_have_count(0)
    assert page.evaluate("document.activeElement.closest('[data-field]').dataset.field") == "priority"
    assert office.sent == []
    fill(page, priority="7")
    page.get_by_role("button", name="Send TakeNote").click()
    expect(page.get_by_text("accepted")).to_be_visible()
    assert office.sent[-1][2] == {"note_id": "n1", "words": "buy tea", "priority": 7}, "what was left alone is not sent"


def test_a_console_form_shows_a_rejection_with_its_code(olga: Visitor) -> None:
    olga.go("#/messages/office.notes.TakeNote")
    fill(olga.page, note_id="n1", words="no")
    olga.page.get_by_role("button", name="Send TakeNote").click()
    expect(olga.page.get_by_text("it is too long")).to_be_visible()
    expect(olga.page.locator(".notice").filter(has_text="too_long")).to_be_visible()


def test_text_of_records_is_never_markup_in_the_console(olga: Visitor, office: Office) -> None:
    page = olga.page
    office.stands = True
    olga.go("#/dead-letters")
    expect(shown(page)).to_contain_text(SEEN)
    olga.go(f"#/tables/{SHELVES}?sort=-books")
    expect(shown(page)).to_contain_text(SEEN)
    olga.go("#/messages/office.notes.TakeNote")
    fill(page, note_id="n1", words="x")
    page.get_by_role("button", name="Send TakeNote").click()
    expect(page.get_by_text("document.title='owned'")).to_be_visible()
    assert page.title() != "owned"
    assert page.locator("main img, main script").count() == 0
    refused = (
        "() => { try { document.body.innerHTML = '<b>x</b>'; return 'taken' } catch (error) { return error.name } }"
    )
    assert page.evaluate(refused) == "TypeError", "the page's policy allows no text as markup"
    olga.errors.clear()  # it tells of that


def test_the_consoles_tables_are_filtered_sorted_and_paged(olga: Visitor) -> None:
    page = olga.page
    olga.go(f"#/tables/{SHELVES}")
    expect(page.locator("tbody tr")).to_have_count(50)
    page.get_by_role("link", name="next page").click()
    expect(page.get_by_text("shelf 00050")).to_be_visible()
    page.get_by_role("link", name="first page").click()
    page.get_by_role("link", name="books").click()
    expect(page.locator("th a[aria-sort=ascending]")).to_be_visible()
    page.keyboard.press("/")
    page.keyboard.type("shelf 00007")
    page.keyboard.press("Enter")
    expect(page.locator("tbody tr")).to_have_count(1)
    page.get_by_role("link", name="all rows").click()
    expect(page.locator("tbody tr")).to_have_count(50)
    page.locator("input[name=books_from]").fill("118")
    page.keyboard.press("Enter")
    expect(page.locator("tbody tr")).to_have_count(3)


def test_the_console_requeues_dead_letters_once_it_was_told_so(olga: Visitor, office: Office) -> None:
    page = olga.page
    olga.go("#/dead-letters")
    page.get_by_role("button", name="requeue", exact=True).click()
    expect(page.get_by_role("dialog")).to_contain_text("Requeue the dead letter 0/7 of town.clerk?")
    page.keyboard.press("Enter")  # on Cancel, where the focus is
    expect(page.get_by_role("dialog")).to_have_count(0)
    assert office.requeued == []
    page.get_by_role("button", name="requeue", exact=True).click()
    page.get_by_role("dialog").get_by_role("button", name="Requeue").click()
    expect(page.get_by_role("dialog")).to_contain_text("1 requeued.")
    page.get_by_role("button", name="Close").click()
    expect(shown(page)).to_contain_text("None. Every record that arrived")
    assert office.requeued == [RequeueWish(["0/7"])]


def test_the_console_discards_dead_letters_with_a_reason(olga: Visitor, office: Office) -> None:
    page = olga.page
    olga.go("#/dead-letters")
    page.get_by_role("button", name="discard", exact=True).click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="Discard").click()  # nothing happens without one
    dialog.get_by_label("Why").fill("sent by hand")
    dialog.get_by_role("button", name="Discard").click()
    expect(dialog).to_contain_text("1 discarded.")
    assert office.done == [DiscardWish(places=["0/7"], why="sent by hand")]


def test_the_console_retries_and_skips_parked_records(olga: Visitor, office: Office) -> None:
    page = olga.page
    page.keyboard.press("g")
    page.keyboard.press("k")
    page.get_by_role("button", name="retry", exact=True).click()
    page.get_by_role("dialog").get_by_role("button", name="Retry").click()
    expect(page.get_by_role("dialog")).to_contain_text("0 of 1 keys are parked no more.")
    page.get_by_role("button", name="Close").click()
    page.get_by_role("link", name="n", exact=True).click()
    expect(shown(page)).to_contain_text("waits behind the first")
    page.get_by_role("button", name="skip the first").click()
    page.get_by_role("dialog").get_by_label("Why").fill("of a test")
    page.get_by_role("dialog").get_by_role("button", name="Skip").click()
    expect(page.get_by_role("dialog")).to_contain_text("1 of 1 keys are parked no more.")
    assert office.done == [RetryParkedWish(["n"]), SkipWish(why="of a test", key="n")]


def test_the_console_shows_rebuilds_and_takes_their_steps(olga: Visitor, office: Office) -> None:
    page = olga.page
    page.keyboard.press("g")
    page.keyboard.press("b")
    table = shown(page).get_by_role("region", name=SHELVES)
    expect(table.locator("tbody tr").nth(0)).to_contain_text("kept up to date by the workers")
    expect(table.locator("tbody tr").nth(1)).to_contain_text("serves")
    expect(table.locator("tbody tr").nth(2)).to_contain_text("left over")
    built = table.locator("tbody tr").nth(3)
    expect(built).to_contain_text("1,204,000 records, 3,310,221 to go, 41,870 a second, 1.3 min left")
    expect(table).to_contain_text(f"Nobody builds generation 3 at the moment: verbwire rebuild {SHELVES} goes on")
    expect(table).to_contain_text("Generation 0 is kept since 10 d")
    table.get_by_role("button", name="switch").click()
    page.get_by_role("dialog").get_by_role("button", name="Switch").click()
    expect(page.get_by_role("dialog")).to_contain_text(
        "answered from generation 3 by 2 workers; requests waited for 0.2 s"
    )
    page.get_by_role("button", name="Close").click()
    table.get_by_role("button", name="delete the old").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.get_by_role("dialog")).to_contain_text("it is generation 4 by now, not 0: nothing was done")
    page.get_by_role("button", name="Close").click()
    assert office.done == [StepWish(generation=3), StepWish(generation=0)], "what was seen is what is meant"
    table.get_by_role("link", name="compare").click()
    samples = shown(page).get_by_role("region", name="Samples")
    expect(samples.locator("tbody tr").nth(0)).to_contain_text("13912")
    expect(samples).to_contain_text(SEEN)
    expect(shown(page)).to_contain_text("2 were being written")
    assert page.title() != "owned"


def test_the_console_finds_and_cancels_commands_for_later(olga: Visitor, office: Office) -> None:
    page = olga.page
    page.keyboard.press("g")
    page.keyboard.press("s")
    commands = shown(page).get_by_role("region", name="Commands")
    expect(commands).to_contain_text(SEEN)
    expect(shown(page).get_by_role("region", name="Schedules")).to_contain_text("0 6 * * MON")
    commands.get_by_role("button", name="cancel").click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel it").click()
    expect(page.get_by_role("dialog")).to_contain_text("Not cancelled, too_late:")
    page.get_by_role("button", name="Close").click()
    page.keyboard.press("/")
    page.keyboard.type("desk 7")
    page.keyboard.press("Enter")
    expect(commands).to_contain_text("None waits for its time.")
    assert office.done == ["r-1", FindScheduledWish(where=ScheduledFilter(key="desk 7"))]


def test_the_console_leads_processes(olga: Visitor, office: Office) -> None:
    page = olga.page
    page.keyboard.press("g")
    page.keyboard.press("p")
    errand = shown(page).get_by_role("region", name="town.errand")
    expect(errand).to_contain_text("deadline payment at")
    errand.get_by_role("button", name="ask again").first.click()
    page.get_by_role("dialog").get_by_role("button", name="Ask again").click()
    expect(page.get_by_role("dialog")).to_contain_text("Fetch: sent again.")
    page.get_by_role("button", name="Close").click()
    errand.get_by_role("button", name="cancel").last.click()
    page.get_by_role("dialog").get_by_label("Why").fill("lost at sea")
    page.get_by_role("dialog").get_by_role("button", name="Cancel it").click()
    expect(page.get_by_role("dialog")).to_contain_text("Its group was asked")
    assert office.done == [RetryWish(), CancelWish(why="lost at sea")]


def test_the_consoles_processes_say_what_each_instance_waits_for(olga: Visitor) -> None:
    page = olga.page
    page.keyboard.press("g")
    page.keyboard.press("p")
    errand = shown(page).get_by_role("region", name="town.errand")
    expect(errand).to_contain_text("60 open")
    expect(errand).to_contain_text("57 younger ones are not shown: verbwire processes list town.errand --limit 60")
    lines = errand.locator("tbody tr")
    expect(lines.nth(0)).to_contain_text("5 min ago")
    expect(lines.nth(0)).to_contain_text("the outcome of Fetch for 4 min")
    expect(lines.nth(0).get_by_role("link", name="c-9")).to_have_attribute("href", "#/trace/c-9")
    expect(lines.nth(0)).to_contain_text(SEEN)
    expect(lines.nth(1)).to_contain_text("an event: Found")
    expect(lines.nth(2)).to_contain_text("its commands could not be read")
    expect(shown(page).get_by_role("region", name="town.quiet")).to_contain_text("None is open")
    assert page.title() != "owned"


def test_the_consoles_overview_begins_with_what_stands_still(olga: Visitor, office: Office) -> None:
    office.stands = True
    olga.page.reload()
    first = shown(olga.page).locator(".notice").first
    expect(first).to_contain_text("One thing stands still")
    expect(first).to_contain_text("mend it")
    node = olga.page.get_by_role("link", name=f"table {SHELVES}, behind, 7 records behind")
    expect(node).to_have_class("node table warn")
    node.focus()
    olga.page.keyboard.press("Enter")
    expect(olga.page.get_by_role("heading", name=SHELVES, level=1)).to_be_visible()


def test_the_console_keeps_what_it_saw_and_says_how_old_it_is(olga: Visitor, office: Office) -> None:
    olga.go("#/groups")
    expect(olga.page.get_by_role("cell", name="7", exact=True)).to_be_visible()
    office.away = True
    expect(shown(olga.page)).to_contain_text("the broker cannot be reached")
    olga.page.context.set_offline(True)
    expect(olga.page.locator(".asof")).to_contain_text("This worker does not answer")
    expect(olga.page.locator(".asof")).to_contain_text("Shown is what was so at")
    expect(shown(olga.page).get_by_role("heading", name="Groups").first).to_be_visible()


def test_the_console_is_used_by_keyboard_alone(olga: Visitor) -> None:
    page = olga.page
    page.keyboard.press("g")
    page.keyboard.press("m")
    expect(page.get_by_role("heading", name="Messages")).to_be_visible()
    page.reload()
    page.get_by_role("navigation").wait_for()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    page.keyboard.press("/")
    page.keyboard.type("TakeNote")
    page.keyboard.press("Enter")
    expect(page.locator("tbody tr")).to_have_count(1)


@pytest.mark.parametrize(("width", "dark"), [(390, True), (1280, False)], ids=["phone, dark", "desk, light"])
def test_every_view_of_the_console_fits(browser: Browser, http: Http, width: int, dark: bool) -> None:
    with visitor(browser, str(http.operator.base_url), width, dark) as olga:
        olga.sign_in("olga", OPERATOR)
        ground = olga.page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert ground == ("rgb(18, 19, 22)" if dark else "rgb(250, 250, 249)")
        for view in VIEWS:
            olga.go(view)
            expect(olga.page.locator(".asof")).to_contain_text("as of")
            assert olga.page.evaluate("document.documentElement.scrollWidth") <= width, view
        olga.page.get_by_role("button", name="Theme").click()
        assert olga.page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(18, 19, 22)"
