import pygit2
import pytest

from hub.jobs import gate
from hub.jobs.base import JobFailed
from hub.jobs.git import landing

REMOTE = gate.parse("https://example.org/a.git")


def made(path, mark: str):
    path.parent.mkdir(parents=True, exist_ok=True)
    repo = pygit2.init_repository(str(path))
    repo.remotes.create("origin", REMOTE.text)
    (path / "mark").write_text(mark)
    return path


def test_a_first_clone_is_renamed_into_place(tmp_path):
    place = landing.land(made(tmp_path / "work" / "repo", "new"), tmp_path / "home")
    assert place == tmp_path / "home" / "repo"
    assert (place / "mark").read_text() == "new"
    assert not (tmp_path / "work" / "repo").exists()


def test_an_update_changes_places_with_the_old_clone(tmp_path):
    made(tmp_path / "home" / "repo", "old")
    landing.land(made(tmp_path / "work" / "repo", "new"), tmp_path / "home")
    assert (tmp_path / "home" / "repo" / "mark").read_text() == "new"
    assert (tmp_path / "work" / "repo" / "mark").read_text() == "old"


def test_a_file_system_that_cannot_swap_gets_two_renames(tmp_path, monkeypatch):
    monkeypatch.setattr(landing, "_exchange", lambda one, other: False)
    made(tmp_path / "home" / "repo", "old")
    landing.land(made(tmp_path / "work" / "repo", "new"), tmp_path / "home")
    assert [path.name for path in (tmp_path / "home").iterdir()] == ["repo"]
    assert (tmp_path / "home" / "repo" / "mark").read_text() == "new"


def test_a_run_killed_between_two_renames_loses_nothing(tmp_path):
    made(tmp_path / "home" / ".repo-replaced", "old")
    assert landing.find(tmp_path / "home", REMOTE) is not None
    assert (tmp_path / "home" / "repo" / "mark").read_text() == "old"


def test_a_run_killed_after_two_renames_is_tidied_up(tmp_path):
    made(tmp_path / "home" / ".repo-replaced", "old")
    made(tmp_path / "home" / "repo", "new")
    assert landing.find(tmp_path / "home", REMOTE) is not None
    assert [path.name for path in (tmp_path / "home").iterdir()] == ["repo"]


def test_repositories_are_the_same_with_the_same_commits_under_the_same_names(tmp_path):
    who = pygit2.Signature("A", "a@example.org", 1, 0)
    one, other = (pygit2.Repository(str(made(tmp_path / name, "x"))) for name in ("one", "other"))
    for repo in (one, other):
        repo.create_commit("refs/heads/main", who, who, "first", repo.index.write_tree(), [])
        repo.set_head("refs/heads/main")
    assert landing.is_same(one, other)
    other.references.create("refs/tags/v1", other.head.target)
    assert not landing.is_same(one, other)
    other.references.delete("refs/tags/v1")
    (tmp_path / "other" / ".git" / "shallow").write_text(f"{other.head.target}\n")
    assert not landing.is_same(one, other)
    (tmp_path / "other" / ".git" / "shallow").unlink()
    other.set_head("refs/heads/other")
    assert not landing.is_same(one, other)


def test_a_free_place_is_free(tmp_path):
    assert landing.find(tmp_path / "home", REMOTE) is None


@pytest.mark.parametrize("kind", ["file", "folder", "link", "other"])
def test_whatever_else_is_there_is_not_touched(tmp_path, kind):
    place = tmp_path / "home" / "repo"
    place.parent.mkdir()
    if kind == "file":
        place.write_text("mine")
    elif kind == "folder":
        place.mkdir()
    elif kind == "link":
        place.symlink_to(tmp_path / "nowhere")
    else:
        made(place, "x")
        pygit2.Repository(str(place)).remotes.set_url("origin", "https://example.org/other.git")
    with pytest.raises(JobFailed) as caught:
        landing.find(tmp_path / "home", REMOTE)
    assert caught.value.failure.code == "destination_taken"
