"""Forms: what is wrong with one before it is sent. A question, answered from itself: nothing is stored or changed."""

from __future__ import annotations

import re

from schemas.forms import CheckOrderForm, FormCheck
from verbwire import Responder

forms = Responder("shop.forms")

NUMBER = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,29}")
POUNDS = re.compile(r"[0-9]{1,7}(\.[0-9]{1,2})?")
LONGEST_NOTE = 500


@forms.answers
def check_order_form(form: CheckOrderForm) -> FormCheck:
    """Say whether an order could be placed with it; that its number is free is only known when it is placed."""
    reasons = []
    if not NUMBER.fullmatch(form.order_id.strip()):
        reasons.append("order_id: use up to 30 letters, digits and dashes")
    if not form.country.strip():
        reasons.append("country: say where the customer lives")
    if not POUNDS.fullmatch(form.total.strip()):
        reasons.append("total: write pounds and pence, like 139.12")
    elif not form.total.strip().strip("0."):
        reasons.append("total: an order costs something")
    if len(form.note) > LONGEST_NOTE:
        reasons.append(f"note: {len(form.note)} characters are more than {LONGEST_NOTE}")
    return FormCheck(ok=not reasons, reasons=tuple(reasons))
