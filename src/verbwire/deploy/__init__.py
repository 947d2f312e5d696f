"""``verbwire deploy``: topics and schemas on the cluster, made what the contracts say.

`deployment` is the only place that creates either, by way of `topics` and `schemas`; `group_plan` describes what each
group needs, `leftovers` finds what is no longer declared. Read `deployment` first.
"""
