"""From what a user writes to the project that is meant."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.core.errors import BadParams, HubError, UrlRefused
from hub.jobs import gate
from hub.jobs.sources import HOSTS, SOURCES, Location, locate, source_of


@pytest.mark.parametrize(
    ("source", "repository", "url"),
    [
        ("github", "owner/name", "https://github.com/owner/name.git"),
        ("github", "owner/name.git", "https://github.com/owner/name.git"),
        ("github", " owner/name/ ", "https://github.com/owner/name.git"),
        ("github", "github.com/owner/name", "https://github.com/owner/name.git"),
        ("github", "GitHub.com/Owner/Name", "https://github.com/Owner/Name.git"),
        ("github", "https://github.com/owner/name", "https://github.com/owner/name"),
        ("github", "https://github.com/owner/name.git", "https://github.com/owner/name.git"),
        ("github", "git@github.com:owner/name.git", "git@github.com:owner/name.git"),
        ("github", "ssh://git@github.com/owner/name.git", "ssh://git@github.com/owner/name.git"),
        ("github", "git.example.org/owner/name", "https://git.example.org/owner/name.git"),
        ("github", "git.example.org:8443/owner/name", "https://git.example.org:8443/owner/name.git"),
        ("github", "https://git.example.org:8443/owner/name", "https://git.example.org:8443/owner/name"),
        ("github", "owner/name.with.dots", "https://github.com/owner/name.with.dots.git"),
        ("github", "owner.dotted/name", "https://github.com/owner.dotted/name.git"),
        ("gitlab", "group/name", "https://gitlab.com/group/name.git"),
        ("gitlab", "group/sub/name", "https://gitlab.com/group/sub/name.git"),
        ("gitlab", "group/sub/subsub/name", "https://gitlab.com/group/sub/subsub/name.git"),
        ("gitlab", "gitlab.com/group/sub/name", "https://gitlab.com/group/sub/name.git"),
        ("gitlab", "git.example.org/group/sub/name", "https://git.example.org/group/sub/name.git"),
        ("bitbucket", "workspace/name", "https://bitbucket.org/workspace/name.git"),
        ("bitbucket", "bitbucket.org/workspace/name", "https://bitbucket.org/workspace/name.git"),
        ("local", "file:///srv/code.git", "file:///srv/code.git"),
    ],
)
def test_every_way_to_write_it_leads_to_the_repository(source, repository, url):
    assert locate(source, repository) == Location(url=url)


def test_a_local_folder_is_a_project_of_its_own_kind():
    assert locate("local", "/srv/code/") == Location(path="/srv/code")


@pytest.mark.parametrize(
    ("source", "repository"),
    [
        ("github", ""),
        ("github", "name"),
        ("github", "github.com/name"),
        ("github", "owner/"),
        ("github", "/owner/name"),
        ("github", "owner//name"),
        ("github", "a/b/c"),
        ("github", "-owner/name"),
        ("github", "owner/-name"),
        ("github", "owner/.."),
        ("github", "../etc/passwd"),
        ("github", "owner/na me"),
        ("github", "owner/name?x=1"),
        ("github", "owner/name\nx"),
        ("github", "x" * 2000 + "/name"),
        ("github", "gitlab.com/owner/name"),
        ("github", "gitlab.com./owner/name"),
        ("github", "gitlab.com:443/owner/name"),
        ("github", "someone@gitlab.com/owner/name"),
        ("github", "https://bitbucket.org/owner/name"),
        ("gitlab", "https://github.com/owner/name"),
        ("gitlab", "name"),
        ("bitbucket", "a/b/c"),
        ("github", "file:///srv/code"),
        ("local", "https://github.com/owner/name"),
    ],
)
def test_what_names_no_repository_of_the_source_is_refused(source, repository):
    with pytest.raises((BadParams, UrlRefused)):
        locate(source, repository)


@pytest.mark.parametrize("repository", ["code", "~/code", "/srv/../etc", "-x", "https://user:secret@github.com/a/b"])
def test_what_no_url_or_path_may_be_is_refused(repository):
    with pytest.raises((BadParams, UrlRefused)):
        locate("local", repository)


def test_a_source_that_is_none_is_named_with_those_that_are():
    with pytest.raises(BadParams) as refused:
        locate("sourceforge", "a/b")
    assert refused.value.message == "Invalid source: sourceforge. Supported sources: github, gitlab, bitbucket, local"


@given(st.sampled_from(SOURCES), st.text(max_size=60))
def test_whatever_is_written_it_is_a_sound_location_or_refused(source, repository):
    try:
        found = locate(source, repository)
    except HubError:
        return
    assert (found.url is None) != (found.path is None)
    gate.parse(found.url or found.path)
    assert found.path is None or source == "local"


PART = st.from_regex(r"[a-z0-9][a-z0-9_-]{0,20}", fullmatch=True)


@given(st.sampled_from(sorted(HOSTS)), PART, PART)
def test_owner_and_name_are_where_they_belong_and_found_again(source, owner, name):
    found = locate(source, f"{owner}/{name}")
    assert found.url == f"https://{HOSTS[source].host}/{owner}/{name}.git"
    assert source_of(found.url) == source
    assert locate(source, found.url) == found
    assert set(found.spellings()) == {found.url, found.url.removesuffix(".git")}
