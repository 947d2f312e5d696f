"""What operators ask about a project and about what runs of it: answered from declarations, Kafka, and workers' HTTP.

Each file answers one question with plain data (frozen structs, whose JSON is what ``--json`` and HTTP show), prints
nothing, and says what it could not find out, and why. `topology` and `describe` are of declarations and of what
is deployed; `trace`, `history`, `why` and `tail` are of the records of topics, which `reading` reads and decodes. Read
`topology` first.
"""
