"""What operators ask of groups: the side that asks. What groups do about it is in `engine.processors.requests`.

`sender` writes requests into the group's own topic, each into the partition that it is about. Read it first.
"""
