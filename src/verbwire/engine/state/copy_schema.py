"""The tables of a copy's file, and what queries need besides them: indexes, and triggers for the full text.

Rows are one table; whatever makes reading quick is apart from it, since a copy that is being loaded does without.
"""

from __future__ import annotations

from collections.abc import Sequence

from verbwire.engine.state.parked import PARKED_TABLE

FORMAT = "3"
WORDS = "words"  # the column of the text that is searched
INSTANCE = "0instance"  # what is kept beside a process's states; no field is called so
# The index holds no text of its own, it reads the rows'. SQLite before 3.43 cannot delete from one that has none to
# read; the triggers say what it has to forget.
_FULL_TEXT = """
    create virtual table if not exists search using
        fts5(words, content='rows', content_rowid='rowid', tokenize="unicode61 remove_diacritics 2");
    create trigger if not exists search_insert after insert on rows when new.words is not null begin
        insert into search (rowid, words) values (new.rowid, new.words);
    end;
    create trigger if not exists search_delete after delete on rows when old.words is not null begin
        insert into search (search, rowid, words) values ('delete', old.rowid, old.words);
    end;
    create trigger if not exists search_update after update of words on rows when old.words is not new.words begin
        insert into search (search, rowid, words)
            select 'delete', old.rowid, old.words where old.words is not null;
        insert into search (rowid, words) select new.rowid, new.words where new.words is not null;
    end;
"""
_REBUILT = "insert into search (search) values ('rebuild');"


def column_name(field_name: str) -> str:
    """The column of a declared field; the prefix keeps it apart from ours."""
    return f"f_{field_name}"


def column_names(columns: Sequence[str], search: Sequence[str]) -> tuple[str, ...]:
    """Return the columns of rows behind key and value: those of the index, and the text that is searched."""
    return (*map(column_name, columns), *([WORDS] if search else []))


def tables(names: Sequence[str]) -> str:
    """Return what makes the tables; `names` are the columns behind key and value."""
    own = "".join(f", {each}" for each in names)
    return f"""
        create table if not exists meta (name text primary key, value text);
        create table if not exists rows (key blob not null unique, value blob not null{own});
        create table if not exists answers (id text primary key, at integer, fingerprint blob, outcome blob);
        {PARKED_TABLE}"""


def indexes(names: Sequence[str], full: bool = False) -> str:
    """Return what makes the indexes; of tables that are `full` of rows also what makes them searchable."""
    sought = [each for each in names if each not in (WORDS, column_name(INSTANCE))]
    made = "".join(f"create index if not exists by_{each} on rows ({each}, key);" for each in sought)
    return made + (_FULL_TEXT + (_REBUILT if full else "") if WORDS in names else "")
