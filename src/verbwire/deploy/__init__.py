"""``verbwire deploy``: topics and schemas on the cluster, made what the contracts say.

`deployment` is the only place that creates either, `group_plans` describes what each group needs, `leftovers` finds
what is declared no longer. Read `deployment` first.
"""
