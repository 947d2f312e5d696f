"""Programs that send messages: the importer of the shop's sales lines, and the demo around it.

A producer makes typed messages of `schemas` and hands them to `verbwire.client`. It decides nothing: whether a product
may go into a cart is for the receiver to say, in `consumers`. Producers, consumers and streams never import each other;
they meet only through topics.
"""
