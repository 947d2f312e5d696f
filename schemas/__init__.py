"""The contracts of the shop: one folder for each context, one ``.avsc`` for each message.

A folder's ``__init__.py`` holds the classes that ``verbwire schemas generate`` writes from them, so that
``from schemas.carts import AddProductToCart`` works in editors and type checkers. Other languages need the
``.avsc`` files only.
"""
