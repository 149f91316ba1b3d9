"""Whatever statement a guest sends: nothing changes, and only declared errors come back."""

from __future__ import annotations

import sqlite3
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coilbox.bindings.host import DeclaredError
from coilbox.bindings.testing import DirectCalls
from coilbox.extensions.sql import extension
from coilbox.extensions.sql.values import wrap

_WORDS = """
SELECT INSERT UPDATE DELETE DROP CREATE ATTACH DETACH PRAGMA VACUUM BEGIN COMMIT WITH RECURSIVE
INTO FROM WHERE VALUES TABLE TEMP TRIGGER VIEW RETURNING SET AS ( ) , ; * = 1 'x' :a ? -- /* */
t u i count(*) query_only ON OFF ':memory:' database load_extension('x') randomblob(9) NULL \0
""".split(" ")
statements = st.lists(st.sampled_from(_WORDS) | st.text(max_size=2), max_size=12).map(" ".join)
values = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary()


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sql") / "t.db"
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE t (i)")
        database.execute("INSERT INTO t VALUES (1), (2)")
    database.close()
    return path


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(statement=statements, params=st.dictionaries(st.sampled_from("ab"), values))
def test_any_statement(path: Path, statement: str, params: dict[str, object]) -> None:
    before = path.read_bytes()
    calls = DirectCalls(extension(databases={"main": f"sqlite:///{path}"}, timeout=2))  # type: ignore[dict-item]
    with suppress(DeclaredError):
        result = calls.query(statement, {name: wrap(value) for name, value in params.items()})
        for row in result.rows(calls.context):
            assert len(row) == len(result.columns(calls.context))
    assert path.read_bytes() == before
    assert sorted(item.name for item in path.parent.iterdir()) == ["t.db"]
    assert not calls.context.state.get("open")
