"""Names of messages say what they are."""

from __future__ import annotations

import pytest

from verbwire.contracts.checks.verbs import verb_form_doubt
from verbwire.messages import Kind

GOOD = {
    Kind.COMMAND: """
        AddProductToCart CheckOutCart PlaceOrder ConfirmOrder CancelOrder DebitBalance CreditBalance
        BuildSalesReport PutItem SetPrice BringGoods PingHost ProcessOrder PresentOffer ResetPassword
        ReadMeter FeedCat ProceedToCheckout RentCar ShipOrder RelayMessage PositionOrder ListItemForSale
        RefundOrder UpdateAddress FocusCampaign CommentOrder ImplementChange RemoveExpiredCarts
        ArchiveClosedAccounts OrderPaper MarkItemSold
    """,
    Kind.EVENT: """
        OrderPlaced ProductAddedToCart CartCheckedOut MailSent InvoicePaid StockBought ItemSold PricePut
        LimitSet FileRead PriceFell BalanceOverdrawn MailResent TicketResold JobRun UserLoggedIn OrderSKUSet
        UnpaidInvoiceFound BalanceCredited ContractBroken
    """,
    Kind.QUERY: """
        GetCart GetOrder FindCustomers ListOrders CountCarts SearchNotes SalesPerMinute CancelledOrders
        OrderStatus OrdersPlacedToday ChangeHistory CreditLimit CheckStock
    """,
    Kind.ROW: "CartRow OrderPlaced PlaceOrder",
}
BAD = {
    Kind.COMMAND: """
        OrderPlaced CartCheckedOut ProductAddedToCart PlacedOrder SentMail PaidInvoice ResentMail PlacingOrder
        Cart CartItems PaymentOfOrder SalesReport Orders OverpaidInvoice TransferDone
    """,
    Kind.EVENT: "PlaceOrder PutItem SetPrice Order OrderPlacing SpeedFeed CartStatus GetCart PaymentNeed",
    Kind.QUERY: "CreateOrder DeleteCart PlaceOrder SendMail CartCheckedOut OrderPlaced MailSent UserLoggedIn",
}


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind, names in GOOD.items() for name in names.split()])
def test_good_names_pass(kind: Kind, name: str) -> None:
    assert verb_form_doubt(kind, name) is None


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind, names in BAD.items() for name in names.split()])
def test_bad_names_are_told_with_an_example(kind: Kind, name: str) -> None:
    doubt = verb_form_doubt(kind, name)
    assert doubt is not None
    assert name in doubt.text
    assert "like " in doubt.text or "begin with Get" in doubt.text


@pytest.mark.parametrize(
    ("kind", "name", "sure"),
    [
        (Kind.COMMAND, "OrderPlaced", True),
        (Kind.COMMAND, "SentMail", True),
        (Kind.EVENT, "PlaceOrder", True),
        (Kind.EVENT, "SendMail", True),
        (Kind.COMMAND, "CartItems", False),
        (Kind.COMMAND, "BuchAusleihen", None),
        (Kind.EVENT, "LoanOverdue", False),
        (Kind.EVENT, "BuchVerliehen", False),
        (Kind.EVENT, "GetCart", False),
        (Kind.QUERY, "CreateOrder", False),
    ],
)
def test_only_the_opposite_of_a_kind_is_sure(kind: Kind, name: str, sure: bool | None) -> None:
    doubt = verb_form_doubt(kind, name)
    assert (None if doubt is None else doubt.sure) is sure
