"""Links as they are stored: once each, only ever better, and the same in whatever order things came."""

import itertools
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.commits.correlation import LONGEST_S, Made, Span, correlate
from hub.commits.database import Database, RepositoryForgotten
from hub.commits.links import LinkTable
from hub.commits.records import Event, Row, Session
from hub.commits.sessions import SessionTable
from hub.commits.table import CommitTable

FOLDER = Path("/r/.git")


def row(number: int, at: int, name: str = "Ann") -> Row:
    return Row(
        id=number.to_bytes(20), parents=1, author_name=name, author_email="", authored=at, committed=at,
        subject=f"change {number}", files_total=0, files="",
    )  # fmt: skip


def repository(database: Database) -> int:
    return CommitTable(database).open(FOLDER, [], ["p"]).id


def session(name: str, first: int, last: int, *actions: int, author: str | None = None) -> Session:
    events = tuple(Event(at=at * 1000, type="commit") for at in actions)
    return Session(id=name, project="p", start=first * 1000, end=last * 1000, events=events, author=author)


def synced(database: Database) -> int:
    """Correlate; how many links are new."""
    SessionTable(database).place(lambda path: False)
    return sum(part.created for part in LinkTable(database).link(repository(database), lambda: None))


def links(database: Database) -> list[tuple]:
    with database.reading() as db:
        return db.execute(
            "SELECT session, hex(c.id), tier, rank, first, last, margin, action FROM links"
            ' JOIN commits c ON c.number = "commit" ORDER BY 1, 2'
        ).fetchall()


def misses(database: Database) -> list[tuple]:
    with database.reading() as db:
        return db.execute(
            'SELECT session, hex(c.id), off, why FROM near_misses JOIN commits c ON c.number = "commit" ORDER BY 1, 2'
        ).fetchall()


def test_running_again_adds_nothing(database: Database):
    id_ = repository(database)
    CommitTable(database).add(id_, [row(n, n * 100) for n in range(50)])
    SessionTable(database).tell([session("a", 1000, 2000, 1500), session("b", 0, 900)])
    assert synced(database) == len(links(database)) > 0
    before = links(database)
    assert synced(database) == 0
    SessionTable(database).tell([session("a", 1000, 2000, 1500)])
    assert synced(database) == 0
    assert links(database) == before


def test_a_session_that_grows_improves_its_links_and_loses_none(database: Database):
    CommitTable(database).add(repository(database), [row(1, 1000), row(2, 3000)])
    SessionTable(database).tell([session("a", 900, 1100)])
    assert synced(database) == 1
    SessionTable(database).tell([session("a", 900, 3100, 990)])
    assert synced(database) == 1
    assert [(link[1][-1], link[2]) for link in links(database)] == [("1", 1), ("2", 2)]


def test_new_commits_find_old_sessions_and_old_commits_new_sessions(database: Database):
    SessionTable(database).tell([session("a", 0, 1000)])
    CommitTable(database).add(repository(database), [row(1, 500)])
    assert synced(database) == 1
    CommitTable(database).add(repository(database), [row(2, 600), row(3, 1500)])
    assert synced(database) == 1
    SessionTable(database).tell([session("b", 1400, 1600)])
    assert synced(database) == 1


def test_commits_that_come_back_are_held_against_sessions_that_came_meanwhile(database: Database):
    known, table = CommitTable(database).open(FOLDER, [], ["p"]), CommitTable(database)
    table.add(known.id, [row(1, 500)])
    table.finish(known, heads=set(), shallow="", gone=[(1).to_bytes(20)], back=[])
    SessionTable(database).tell([session("a", 0, 1000)])
    assert synced(database) == 0
    table.finish(known, heads=set(), shallow="", gone=[], back=[(1).to_bytes(20)])
    assert synced(database) == 1


def test_a_deleted_project_takes_its_commits_links_and_sessions_along(database: Database):
    CommitTable(database).add(repository(database), [row(1, 500), row(2, 1100)])
    SessionTable(database).tell([session("a", 0, 1000), Session(id="b", start=0, end=1, path="/r/x")])
    synced(database)
    CommitTable(database).forget("p")
    with database.reading() as db:
        counted = {
            name: db.execute(f"SELECT count(*) FROM {name}").fetchone()[0]
            for name in ("repositories", "commits", "links", "near_misses", "sessions")
        }
    assert counted == {"repositories": 0, "commits": 0, "links": 0, "near_misses": 0, "sessions": 1}


def test_a_repository_stays_while_another_project_leads_to_it(database: Database):
    CommitTable(database).open(FOLDER, [], ["q"])
    CommitTable(database).add(repository(database), [row(1, 500)])
    CommitTable(database).forget("p")
    assert CommitTable(database).has_commits(1)


def test_new_commits_are_linked_after_another_repository_was_deleted(database: Database):
    table = CommitTable(database)
    table.add(repository(database), [row(1, 500)])
    table.add(table.open(Path("/other"), [], ["q"]).id, [row(n, n) for n in range(10)])
    SessionTable(database).tell([session("a", 0, 1000)])
    assert synced(database) == 1
    table.forget("q")
    table.add(repository(database), [row(2, 600)])
    assert synced(database) == 1


def test_numbers_that_others_may_still_know_are_not_used_again(database: Database):
    before = repository(database)
    CommitTable(database).forget("p")
    CommitTable(database).expect(["p"])
    assert repository(database) > before


def test_a_project_that_was_forgotten_comes_back_only_when_it_is_expected(database: Database):
    table = CommitTable(database)
    table.forget("p")
    with pytest.raises(RepositoryForgotten):
        repository(database)
    table.open(FOLDER, [], ["p", "q"])
    with database.reading() as db:
        assert db.execute("SELECT project FROM projects").fetchall() == [("q",)]
    table.expect(["p", "q"])
    assert table.has_commits(repository(database)) is False


def test_what_is_forgotten_while_a_sync_works_on_it_ends_nothing(database: Database):
    table = CommitTable(database)
    id_ = repository(database)
    table.add(id_, [row(1, 500), row(2, 1100)])
    SessionTable(database).tell([session("a", 0, 1000)])
    SessionTable(database).place(lambda path: False)
    assert sum(part.created for part in LinkTable(database).link(id_, lambda: table.forget("p"))) == 0
    assert list(LinkTable(database).link(id_, lambda: None)) == []
    table.mark_synced([id_], 1)
    with pytest.raises(RepositoryForgotten):
        table.add(id_, [row(3, 500)])
    assert links(database) == []


def test_a_repository_that_is_forgotten_while_sessions_are_placed_gets_none(database: Database, tmp_path: Path):
    table = CommitTable(database)
    table.open(tmp_path, [], ["p"])
    SessionTable(database).tell([Session(id="s", start=0, end=1, path=str(tmp_path / "x"))])

    def is_open(path: Path) -> bool:
        table.forget("p")
        return False

    SessionTable(database).place(is_open)
    with database.reading() as db:
        assert db.execute("SELECT repository FROM sessions").fetchall() == [(None,)]


@pytest.mark.parametrize("is_told_meanwhile", [False, True])
def test_an_author_who_is_told_later_takes_the_links_of_others_away(database: Database, is_told_meanwhile: bool):
    CommitTable(database).add(repository(database), [row(1, 500), row(2, 600, name="Bob")])
    sessions = SessionTable(database)
    sessions.tell([session("a", 0, 1000)])

    def tell() -> None:
        sessions.tell([session("a", 0, 1000, author="Bob")])

    if is_told_meanwhile:
        sessions.place(lambda path: False)
        for _ in LinkTable(database).link(repository(database), tell):
            pass
    else:
        assert synced(database) == 2
        tell()
    synced(database)
    assert [link[1][-1] for link in links(database)] == ["2"]


def test_a_session_that_moves_to_another_repository_leaves_its_links_behind(database: Database):
    table, sessions = CommitTable(database), SessionTable(database)
    table.add(repository(database), [row(1, 500)])
    table.add(table.open(Path("/other"), [Path("/q")], ["q"]).id, [row(2, 600)])
    sessions.tell([Session(id="a", start=0, end=10**6, path=str(FOLDER)), session("b", 0, 1000)])
    assert synced(database) == 2
    sessions.tell([Session(id="a", start=0, end=10**6, project="q")])
    assert [link[0] for link in links(database)] == ["b"]
    table.open(Path("/third"), [], ["p"])
    assert links(database) == []


def test_a_session_of_more_than_a_month_links_by_its_commit_actions_alone(database: Database):
    CommitTable(database).add(repository(database), [row(1, 500), row(2, 90_000)])
    SessionTable(database).tell([session("a", 0, LONGEST_S, 490)])
    assert synced(database) == 2
    SessionTable(database).tell([session("a", 0, LONGEST_S + 1)])
    synced(database)
    assert [(link[1][-1], link[2]) for link in links(database)] == [("1", 1)]


def test_a_run_is_asked_whether_to_stop_between_any_two_batches(database: Database, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("hub.commits.links.BATCH", 10)
    CommitTable(database).add(repository(database), [row(n, n) for n in range(100)])
    SessionTable(database).tell([session(name, 0, 1000) for name in "abc"])
    SessionTable(database).place(lambda path: False)
    asked: list[int] = []
    parts = LinkTable(database).link(repository(database), lambda: asked.append(len(links(database))))
    assert sum(part.created for part in parts) == 300
    assert max(later - before for before, later in itertools.pairwise(asked)) <= 10


AT = st.integers(0, 5000)
TOLD = st.builds(
    lambda name, first, length, actions: session(name, first, first + length, *actions),
    st.sampled_from("abc"), AT, st.integers(0, 1500), st.lists(AT, max_size=3),
)  # fmt: skip
STEPS = st.lists(st.one_of(TOLD, AT, st.just("sync")), max_size=12)


@settings(max_examples=60, deadline=None)
@given(STEPS)
def test_what_is_linked_depends_on_what_is_known_and_not_on_when_it_came(steps):
    with tempfile.TemporaryDirectory() as folder, Database(Path(folder) / "x.sqlite3") as database:
        id_, commits = repository(database), []
        grown: dict[str, Span] = {}
        for step in steps:
            if step == "sync":
                synced(database)
            elif isinstance(step, int):
                commits.append(Made(number=len(commits), at=step))
                CommitTable(database).add(id_, [row(len(commits) - 1, step)])
            else:
                SessionTable(database).tell([step])
                old = grown.get(step.id)
                first, last = step.start // 1000, step.end // 1000
                actions = {event.at // 1000 for event in step.events}
                if old is not None:
                    first, last, actions = min(first, old.first), max(last, old.last), actions | set(old.actions)
                grown[step.id] = Span(id=step.id, first=first, last=last, actions=tuple(sorted(actions)))
        synced(database)
        outcome = correlate(sorted(commits, key=lambda made: made.at), list(grown.values()))
        assert links(database) == sorted(
            (one.session, f"{one.commit:040X}", one.tier, one.rank, one.first, one.last, one.margin_s, one.action)
            for one in outcome.links
        )
        assert misses(database) == sorted(
            (miss.session, f"{miss.commit:040X}", miss.off_s, miss.why) for miss in outcome.near_misses
        )


def test_a_run_that_ends_in_the_middle_is_finished_by_the_next(database: Database):
    CommitTable(database).add(repository(database), [row(n, n * 10) for n in range(500)])
    SessionTable(database).tell([session(f"s{n:03}", n * 10, n * 10 + 50) for n in range(450)])
    SessionTable(database).place(lambda path: False)
    parts = LinkTable(database).link(repository(database), lambda: None)
    created = next(parts).created
    parts.close()
    assert 0 < created < 450 * 6
    assert created + synced(database) == len(links(database)) == 450 * 6
