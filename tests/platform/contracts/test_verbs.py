"""Names of messages say what they are."""

from __future__ import annotations

import pytest

from verbwire.contracts.verbs import verb_form_problem
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
    assert verb_form_problem(kind, name) is None


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind, names in BAD.items() for name in names.split()])
def test_bad_names_are_refused_with_an_example(kind: Kind, name: str) -> None:
    problem = verb_form_problem(kind, name)
    assert problem is not None
    assert name in problem
    assert "like " in problem or "begin with Get" in problem
