"""The directory of workers: which worker owns which partition, and where its HTTP is reached.

Each worker announces itself in a compacted topic (`announcer`), signed; everybody else follows it (`directory`).
Read `directory` first.
"""
