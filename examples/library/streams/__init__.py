"""Tables: what is, folded from what happened."""
