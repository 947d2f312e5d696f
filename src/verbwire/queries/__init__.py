"""What the fields of a query mean to the table that answers it: pure, and known before anybody asks."""
