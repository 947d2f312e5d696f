"""The console: one page for people who operate a project, and the endpoints that only it asks.

`pages` serves the static files, which hold no data and need no token; `api` and `dead_letters` answer, for operators,
what the page shows beside tables, queries, commands and outcomes; `views` hands on what is asked of Kafka, once for
all who look at the same time. The page itself is in `static`: modules that a browser loads as they are. Read `pages`
first, then `static/main.js`.
"""
