"""A whole run: a shop, its load, and what has to come out of both."""

from __future__ import annotations

import os
import random
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.faults.checker import Checker, totals
from tests.faults.harness import Shop, shop
from tests.faults.load import Load, slice_of_sales
from tests.kit.cluster import Cluster


@dataclass
class Run:
    """A shop under load."""

    shop: Shop
    load: Load

    def finish(self, seconds: float = 60.0) -> None:
        """Send what is left, let the workers deal with it, and stop them."""
        self.load.send()
        self.shop.all_drained(seconds)
        self.shop.stop()

    def checker(self) -> Checker:
        """A checker of this shop."""
        return Checker(self.shop.cluster.bootstrap, self.shop.cluster.registry_url, self.shop.prefix)

    def require_exact(self) -> None:
        """Require that the checker finds nothing, and the numbers that the sales file says."""
        checker = self.checker()
        found = checker.everything(self.shop.tables)
        self.shop.note("checked", found=repr(found))
        assert not found, f"{found}\nsee {self.shop.folder}"
        expected = self.load.expected()
        assert totals(checker.rows) == {
            "carts": len(expected.carts),
            "checked_out": len(expected.carts),
            "lines": expected.cart_lines,
            "quantity": expected.quantity,
            "total_pence": expected.pence,
        }
        verdicts = [line.fields["code"] or "accepted" for line in checker.outcomes]
        assert {code: verdicts.count(code) for code in set(verdicts)} == dict(
            expected.outcomes["AddProductToCart"] + expected.outcomes["CheckOutCart"]
        )


@contextmanager
def deployed_run(cluster: Cluster, prefix: str, folder: Path, lines: int) -> Iterator[Run]:
    """Give a deployed shop and the first lines of the sales file as its load; no worker runs yet."""
    with shop(cluster, prefix, folder) as opened, Load(opened, slice_of_sales(folder, lines)) as load:
        yield Run(opened, load)


def seeded() -> random.Random:
    """Random numbers; the seed is printed, pytest shows it when the test fails, FAULT_SEED repeats it."""
    seed = os.environ.get("FAULT_SEED") or uuid.uuid4().hex[:8]
    print(f"FAULT_SEED={seed}")
    return random.Random(seed)  # noqa: S311 (not a secret)
