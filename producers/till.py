"""A till on the command line: ``python -m producers.till order 7 --total 12.50 --country EIRE``.

It asks first whether the form is right (a query that changes nothing), then asks for the order and waits for the
outcome, then looks at the order: what it shows is never older than what it has just done.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal

from schemas.forms import CheckOrderForm, FormCheck
from schemas.orders import CancelOrder, FindOrders, GetOrder, OrderReceipt, OrderRow, OrderStatus, PayOrder, PlaceOrder
from schemas.reports import BuildSalesReport
from verbwire import Accepted, Command, Expired, Failed, Rejected
from verbwire.client import Client, CommandHandle, Connection
from verbwire.errors import NotFoundError, OutcomeUnknownError, VerbwireError
from verbwire.project import load_settings

ACTOR, SCOPES = "till", ("orders:write", "orders:all", "reports:write")
SECONDS = 10.0
DONE, REFUSED, BROKEN, UNKNOWN = 0, 1, 2, 3  # what the command line ends with


def main(arguments: Sequence[str] | None = None) -> int:
    """Do one thing; 0 when it is done, 1 when it was refused, 3 when its outcome is not known yet, 2 on an error."""
    options = _parser().parse_args(arguments)
    try:
        settings = load_settings(flags={"actor": ACTOR, "scopes": SCOPES})
        with Client(Connection.of_project(settings)) as client:
            result: int = options.does(client, options)
            return result
    except VerbwireError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return BROKEN


def order(client: Client, options: argparse.Namespace) -> int:
    """Place an order."""
    form = CheckOrderForm(
        order_id=options.order_id, country=options.country, total=options.total, note=options.note or ""
    )
    checked: FormCheck = client.query(form, SECONDS).result()
    if not checked.ok:
        print(*(f"no: {reason}" for reason in checked.reasons), sep="\n")
        return REFUSED
    command = PlaceOrder(
        order_id=options.order_id.strip(),
        customer_id=options.customer,
        country=options.country.strip(),
        total_pence=int(Decimal(options.total.strip()) * 100),
        placed_at=datetime.now(UTC),
        note=options.note,
        pay_within_seconds=options.pay_within,
    )
    return _ask(client, command, options.order_id.strip())


def pay(client: Client, options: argparse.Namespace) -> int:
    """Pay for an order in advance."""
    return _ask(client, PayOrder(order_id=options.order_id), options.order_id)


def cancel(client: Client, options: argparse.Namespace) -> int:
    """Call an order off."""
    return _ask(client, CancelOrder(order_id=options.order_id, reason=options.reason), options.order_id)


def resume(client: Client, options: argparse.Namespace) -> int:
    """Wait for an outcome that was not there in time."""
    return _outcome(client.resume(options.token))


def show(client: Client, options: argparse.Namespace) -> int:
    """Look at one order."""
    try:
        found: OrderRow = client.query(GetOrder(order_id=options.order_id), SECONDS).result()
    except NotFoundError:
        print(f"there is no order {options.order_id}")
        return REFUSED
    print(_line(found))
    return DONE


def find(client: Client, options: argparse.Namespace) -> int:
    """List orders, the first page of them."""
    status = OrderStatus(options.status) if options.status else None
    query = FindOrders(customer_id=options.customer, status=status, search=options.search, page_size=options.lines)
    page = client.query(query, SECONDS).result()
    print(*map(_line, page.rows), sep="\n")
    if page.next is not None:
        print("... and more")
    return DONE


def report(client: Client, options: argparse.Namespace) -> int:
    """Have a sales report built; nobody waits for it."""
    command = BuildSalesReport(report_id=options.report_id, sold_from=options.first, sold_until=options.until)
    client.send(command, id=f"report:{options.report_id}").result(SECONDS)
    print(f"it is under way: GET /jobs says how far it is; it will lie in .verbwire/reports/{options.report_id}.csv")
    return DONE


def _ask(client: Client, command: Command, order_id: str) -> int:
    code = _outcome(client.ask(command))
    if code == DONE:
        print(_line(client.query(GetOrder(order_id=order_id), SECONDS).result()))
    return code


def _outcome(pending: CommandHandle) -> int:
    try:
        outcome = pending.result(SECONDS)
    except OutcomeUnknownError:
        print(f"no outcome yet; it is not lost: python -m producers.till resume {pending.token}")
        return UNKNOWN
    match outcome:
        case Accepted(reply=OrderReceipt() as receipt):
            print(f"receipt: order {receipt.order_id}, {_pounds(receipt.total_pence)}")
            return DONE
        case Accepted():
            return DONE
        case Rejected(code=code, reason=reason):
            print(f"no: {code}, {reason}")
            return REFUSED
        case Failed(reason=reason):
            print(f"the receiver failed: {reason}", file=sys.stderr)
            return BROKEN
        case Expired():
            print("the receiver came to it too late", file=sys.stderr)
            return BROKEN


def _line(found: OrderRow) -> str:
    said = "".join(f", {each}" for each in (found.note, found.cancelled_because) if each)
    who = found.customer_id or "guest"
    return f"{found.order_id}: {found.status.lower()}, {who}, {found.country}, {_pounds(found.total_pence)}{said}"


def _pounds(pence: int) -> str:
    return f"GBP {pence // 100:,}.{pence % 100:02}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m producers.till", description="A till of the shop.")
    what = parser.add_subparsers(required=True)
    placing = what.add_parser("order", help=order.__doc__)
    placing.add_argument("order_id")
    placing.add_argument("--total", required=True, help="in pounds, like 139.12")
    placing.add_argument("--country", default="United Kingdom")
    placing.add_argument("--customer", help="the customer's number; a guest by default")
    placing.add_argument("--note")
    placing.add_argument(
        "--pay-within", type=int, metavar="SECONDS", help="how long it is kept for who pays in advance"
    )
    placing.set_defaults(does=order)
    paying = what.add_parser("pay", help=pay.__doc__)
    paying.add_argument("order_id")
    paying.set_defaults(does=pay)
    cancelling = what.add_parser("cancel", help=cancel.__doc__)
    cancelling.add_argument("order_id")
    cancelling.add_argument("--reason", default="called off at the till")
    cancelling.set_defaults(does=cancel)
    resuming = what.add_parser("resume", help=resume.__doc__)
    resuming.add_argument("token")
    resuming.set_defaults(does=resume)
    showing = what.add_parser("show", help=show.__doc__)
    showing.add_argument("order_id")
    showing.set_defaults(does=show)
    finding = what.add_parser("find", help=find.__doc__)
    finding.add_argument("--customer")
    finding.add_argument("--status", choices=[*OrderStatus])
    finding.add_argument("--search", help="words of note or country")
    finding.add_argument("--lines", type=int, default=20)
    finding.set_defaults(does=find)
    reporting = what.add_parser("report", help=report.__doc__)
    reporting.add_argument("report_id")
    reporting.add_argument("first", type=_day, help="the first day, like 2010-12-01")
    reporting.add_argument("until", type=_day, help="the first day that does not count any more")
    reporting.set_defaults(does=report)
    return parser


def _day(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)


if __name__ == "__main__":
    sys.exit(main())
