"""Reading a table of counters from every worker at once, while they are counted up, and judging each answer.

The jars only ever get fuller. So no answer may hold less than any answer that was there before it was asked for, nor
less than the position that it was asked with, nor more than was ever put in; whatever happens to the workers.
"""

from __future__ import annotations

import itertools
import random
import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

import httpx2 as httpx
import msgspec

from tests.kit.bank import NAMESPACE, Bank
from tests.kit.samples.bank.jars import CoinsPut
from tests.kit.worker import SECRET
from verbwire.security.tokens import OPERATOR, mint_token
from verbwire.wire.partitioner import partition_of
from verbwire.wire.positions import HEADER, encode_positions

TIMEOUT = 3.0
HEADERS = {"Authorization": f"Bearer {mint_token(SECRET, 'hammer', [OPERATOR])}"}


@dataclass
class Counters:
    """How full the jars are: what was sent, what is acknowledged and where, and what somebody has seen."""

    bank: Bank
    jars: Sequence[str]
    partitions: int
    sent: Counter[str] = field(default_factory=Counter)
    seen: Counter[str] = field(default_factory=Counter)
    acknowledged: dict[str, tuple[int, str]] = field(default_factory=dict)  # jar -> pence, position
    lock: threading.Lock = field(default_factory=threading.Lock)

    def put(self, jar: str) -> None:
        """One penny more."""
        partition = partition_of(jar.encode(), self.partitions)
        self.sent[jar] += 1
        offset = self.bank.send(CoinsPut(jar_id=jar, pence=1), partition)
        position = encode_positions({(self.bank.names.events(NAMESPACE), partition): offset + 1})
        self.acknowledged[jar] = self.sent[jar], position

    def least(self) -> Counter[str]:
        """What has been seen so far: nobody may see less of what is asked for from now on."""
        with self.lock:
            return self.seen.copy()

    def saw(self, rows: dict[str, int], least: Counter[str]) -> str | None:
        """Note an answer; return what is wrong with it."""
        with self.lock:
            wrong = [
                f"{jar} held {pence}, after {least[jar]} had been seen; {self.sent[jar]} were put in"
                for jar, pence in rows.items()
                if not least[jar] <= pence <= self.sent[jar]
            ]
            self.seen |= Counter(rows)
        return "; ".join(wrong) or None


@dataclass
class Reader:
    """Asks one worker without pause, by key and for lists, and judges what it says."""

    name: str
    url: str
    counters: Counters
    told: Counter[str] = field(default_factory=Counter)  # answers by kind
    wrong: list[str] = field(default_factory=list)

    def run(self, stop: threading.Event) -> None:
        """Go on until told to stop."""
        turn, chance = itertools.count(), random.Random(self.name)  # noqa: S311 (not for secrets)
        with httpx.Client(base_url=self.url, headers=HEADERS, timeout=TIMEOUT, trust_env=False) as client:
            while not stop.is_set():
                ask: Callable[[httpx.Client, random.Random], str] = self._list if next(turn) % 8 == 0 else self._jar
                try:
                    self.told[ask(client, chance)] += 1
                except httpx.TransportError:
                    self.told["none"] += 1
                    stop.wait(0.05)
                stop.wait(0.002)

    def _jar(self, client: httpx.Client, chance: random.Random) -> str:
        jar = chance.choice(self.counters.jars)
        least, position = self.counters.least(), ""
        if chance.random() < 0.5 and jar in self.counters.acknowledged:
            pence, position = self.counters.acknowledged[jar]
            least[jar] = max(pence, least[jar])
        answer = client.get(f"/tables/bank.jars/{jar}", headers={HEADER: position} if position else {})
        match answer.status_code:
            case 200:
                self._judge({jar: answer.json()["pence"]}, least)
            case 404:
                self._judge({jar: 0}, least)
            case _:
                self._refused(answer)
        return f"jar {answer.status_code}"

    def _list(self, client: httpx.Client, _: random.Random) -> str:
        least = self.counters.least()
        answer = client.get("/tables/bank.jars?page_size=1000")
        if answer.status_code != 200:
            self._refused(answer)
            return f"list {answer.status_code}"
        body = answer.json()
        rows = {row["jar_id"]: row["pence"] for row in body["rows"]}
        missing = {
            partition for partition in range(self.counters.partitions) if str(partition) not in body["positions"]
        }
        if missing != set(body["missing_partitions"]) or body["complete"] != (not (missing or body["behind"])):
            self.wrong.append(f"{self.name}: a list that contradicts itself: {body}")
        there = {jar for jar in least if partition_of(jar.encode(), self.counters.partitions) not in missing}
        self._judge({**dict.fromkeys(there, 0), **rows}, least)
        return "list complete" if body["complete"] else "list incomplete"

    def _judge(self, rows: dict[str, int], least: Counter[str]) -> None:
        if wrong := self.counters.saw(rows, least):
            self.wrong.append(f"{self.name}: {wrong}")

    def _refused(self, answer: httpx.Response) -> None:
        if answer.status_code != 503 or "retry-after" not in answer.headers:
            self.wrong.append(f"{self.name}: {answer.status_code} {answer.text[:300]}")


def read_as_it_resumes(reader: Reader, jars: Sequence[str], wake: Callable[[], None]) -> None:
    """Let requests wait for a process that is stopped, so that they are the first thing that it sees when it wakes."""
    least, host = reader.counters.least(), reader.url.removeprefix("http://").split(":")
    lines = [f"{name}: {value}" for name, value in {"Host": ":".join(host), "Connection": "close", **HEADERS}.items()]
    with ExitStack() as stack:
        waiting = []
        for jar in jars:
            connection = stack.enter_context(socket.create_connection((host[0], int(host[1])), TIMEOUT))
            connection.sendall("\r\n".join([f"GET /tables/bank.jars/{jar} HTTP/1.1", *lines, "", ""]).encode())
            waiting.append((jar, connection))
        wake()
        for jar, connection in waiting:
            connection.settimeout(30)
            head, _, body = b"".join(iter(lambda c=connection: c.recv(65536), b"")).partition(b"\r\n\r\n")  # type: ignore[misc]
            status = head.split()[1].decode()
            reader.told[f"woken {status}"] += 1
            if status in ("200", "404"):
                reader._judge({jar: msgspec.json.decode(body)["pence"] if status == "200" else 0}, least)


@contextmanager
def reading_under_load(counters: Counters, urls: dict[str, str], each: int = 2) -> Iterator[dict[str, list[Reader]]]:
    """Read from every worker, and count up, until the block ends."""
    stop = threading.Event()

    def count_up() -> None:
        for jar in itertools.cycle(counters.jars):
            if stop.wait(0.01):
                return
            counters.put(jar)

    readers = {name: [Reader(f"{name}/{n}", url, counters) for n in range(each)] for name, url in urls.items()}
    threads = [threading.Thread(target=reader.run, args=(stop,)) for group in readers.values() for reader in group]
    threads.append(threading.Thread(target=count_up))
    for thread in threads:
        thread.start()
    try:
        yield readers
    finally:
        stop.set()
        for thread in threads:
            thread.join()
