"""What all endpoints use: problems (RFC 9457), limits, request parsing, the thread pool.

Every limit of the HTTP interface stands in `limits`; every error is a :class:`~verbwire.http.base.problem.HttpProblem`
of one of the `problem_types`. Read `problem` first.
"""
