"""Leads process instances for operators: what one waits for is asked for again, or it is cancelled.

`instances` is the service behind ``verbwire processes retry`` and ``cancel``, and the console's. It asks the process's
own group (`requests`), which does it once, in its own transaction (`engine.processors.instance_requests`).
`scheduled` cancels a command that is sent for later.
"""
