"""Links against the rule written out for every pair."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from hub.commits.correlation import AFTER_S, BEFORE_S, NEAR_S, Made, Outcome, Span, correlate, reach

TIMES = st.integers(-100, 4000)
NAMES = st.sampled_from(["Ann", "Bob", ""])
SPANS = st.builds(
    lambda first, length, actions, author: (first, first + length, tuple(sorted(set(actions))), author),
    TIMES, st.integers(0, 1500), st.lists(TIMES, max_size=5), st.sampled_from([None, "Ann", "bob@x", "Ann <bob@x>"]),
)  # fmt: skip
COMMITS = st.lists(st.tuples(TIMES, NAMES, st.sampled_from(["ann@x", "bob@x"])), max_size=25)


def commits_of(drawn) -> list[Made]:
    made = [Made(number=n, at=at, author_name=name, author_email=email) for n, (at, name, email) in enumerate(drawn)]
    return sorted(made, key=lambda commit: (commit.at, commit.number))


def spans_of(drawn) -> list[Span]:
    return [
        Span(id=f"s{n}", first=first, last=last, actions=actions, author=author)
        for n, (first, last, actions, author) in enumerate(drawn)
    ]


def is_by(commit: Made, author: str | None) -> bool:
    wanted = {None: None, "Ann": "ann", "bob@x": "bob@x", "Ann <bob@x>": "bob@x"}[author]
    return wanted is None or wanted in {commit.author_name.lower(), commit.author_email}


def brute_force(commits: list[Made], spans: list[Span]) -> tuple[set, set]:
    links, misses = set(), set()
    for commit in commits:
        for span in spans:
            actions = [at for at in span.actions if at - BEFORE_S <= commit.at <= at + AFTER_S]
            tier = 1 if actions else 2 if span.first <= commit.at <= span.last else 0
            if tier and is_by(commit, span.author):
                action = min(actions, key=lambda at: (abs(commit.at - at), at)) if actions else None
                first, last = (action - 60, action + 300) if action is not None else (span.first, span.last)
                links.add((span.id, commit.number, tier, first, last, min(commit.at - first, last - commit.at), action))
            elif tier == 1:
                misses.add((span.id, commit.number, 0, "other_author"))
            elif not tier and is_by(commit, span.author):
                if span.first - NEAR_S <= commit.at < span.first:
                    misses.add((span.id, commit.number, span.first - commit.at, "before_start"))
                elif span.last < commit.at <= span.last + NEAR_S:
                    misses.add((span.id, commit.number, commit.at - span.last, "after_end"))
    return links, misses


def plain(outcome: Outcome) -> tuple[list, list]:
    links = [
        (one.session, one.commit, one.tier, one.first, one.last, one.margin_s, one.action) for one in outcome.links
    ]
    return links, [(miss.session, miss.commit, miss.off_s, miss.why) for miss in outcome.near_misses]


@given(COMMITS, st.lists(SPANS, max_size=6))
def test_every_link_and_near_miss_is_what_the_rule_says_of_the_pair(drawn, spans):
    commits, spans = commits_of(drawn), spans_of(spans)
    links, misses = plain(correlate(commits, spans))
    assert len(links) == len(set(links))
    assert len(misses) == len(set(misses))
    assert (set(links), set(misses)) == brute_force(commits, spans)


@given(COMMITS, SPANS)
def test_the_reach_of_a_session_holds_every_commit_that_matters(drawn, span):
    commits, spans = commits_of(drawn), spans_of([span])
    windows = reach(spans[0])
    assert all(first <= last for first, last in windows)
    assert all(last < first for (_, last), (first, _) in itertools.pairwise(windows))
    near = [commit for commit in commits if any(first <= commit.at <= last for first, last in windows)]
    assert correlate(near, spans) == correlate(commits, spans)


def test_the_windows_include_their_edges():
    span = Span(id="s", first=5000, last=5100, actions=(1000,))
    at = [939, 940, 1300, 1301, 4999, 5000, 5100, 5101]
    outcome = correlate([Made(number=n, at=n) for n in at], [span])
    assert [(link.commit, link.tier, link.margin_s) for link in outcome.links] == [
        (940, 1, 0), (1300, 1, 0), (5000, 2, 0), (5100, 2, 0),
    ]  # fmt: skip
    assert [(miss.commit, miss.off_s, miss.why) for miss in outcome.near_misses] == [
        (4999, 1, "before_start"), (5101, 1, "after_end"),
    ]  # fmt: skip


def test_a_commit_action_goes_before_the_session_itself():
    (link,) = correlate([Made(number=1, at=1010)], [Span(id="s", first=0, last=2000, actions=(400, 1000, 1300))]).links
    assert (link.tier, link.action, link.margin_s, link.rule) == (1, 1000, 70, "commit_action")


def test_overlapping_sessions_each_get_the_commit():
    spans = [Span(id=name, first=0, last=100) for name in "ab"]
    assert [link.session for link in correlate([Made(number=1, at=50)], spans).links] == ["a", "b"]


def test_many_sessions_and_commits_take_no_product_of_the_two():
    commits = [Made(number=n, at=n * 1000) for n in range(100_000)]
    spans = [Span(id=str(n), first=n * 20_000, last=n * 20_000 + 500) for n in range(5_000)]
    assert len(correlate(commits, spans).links) == 5_000
