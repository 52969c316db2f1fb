import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.index import postings, trigrams
from hub.index.trigrams import Trigrams

PAIRS = st.sets(st.tuples(st.integers(0, 2**24 - 1), st.integers(0, 100_000)), min_size=1, max_size=300)
FINDER = Trigrams()


def keys(pairs):
    return np.array(sorted(code << 32 | doc for code, doc in pairs), np.uint64)


def lists(buckets, pairs):
    found = set()
    for code, _ in pairs:
        bucket = postings.Bucket(buckets[postings.bucket_of(code)])
        span = bucket.find(postings.low_of(code))
        found |= {(code, doc) for doc in bucket.docs(*span).tolist()}
    return found


@settings(deadline=None, max_examples=40)
@given(PAIRS)
def test_what_is_written_is_read_list_by_list(pairs):
    buckets = dict(postings.encode(keys(pairs)))
    assert lists(buckets, pairs) == pairs
    assert all(bucket < postings.BUCKETS for bucket in buckets)


@settings(deadline=None, max_examples=40)
@given(PAIRS, PAIRS, st.sets(st.integers(0, 300_000)))
def test_merging_keeps_every_live_pair_of_all_segments(first, second, dropped):
    low_of_second = 150_000
    one, other = dict(postings.encode(keys(first))), dict(postings.encode(keys(second)))
    kept = np.ones(400_000, bool)
    kept[sorted(dropped)] = False
    found = set()
    for bucket in one.keys() | other.keys():
        rows = [(part[bucket], low) for part, low in ((one, 0), (other, low_of_second)) if bucket in part]
        merged = postings.merged(rows, kept, 0)
        data = postings.in_bucket(merged, bucket)
        for key in merged.tolist():
            code = bucket << 16 | key >> 32
            found.add((code, key & 0xFFFFFFFF))
            assert postings.Bucket(data).find(postings.low_of(code))
    expected = first | {(code, doc + low_of_second) for code, doc in second}
    assert found == {(code, doc) for code, doc in expected if doc not in dropped}


def test_a_trigram_that_is_not_there_is_not_found():
    ((_, data),) = postings.encode(keys({(5, 1), (9, 2)}))
    assert postings.Bucket(data).find(7) is None
    assert postings.Bucket(data).find(65_535) is None
    assert list(postings.encode(keys(set()))) == []


@settings(deadline=None)
@given(st.binary(max_size=400))
def test_a_texts_trigrams_are_those_of_its_lines_without_case(text):
    expected = set()
    for line in text.split(b"\n"):
        expected |= trigrams.of_literal(line)
    found = FINDER.of(text).tolist()
    assert len(found) == len(set(found))
    assert set(found) >= expected
    if text.isascii():
        assert set(found) == expected


def test_letters_that_match_ascii_ones_without_case_are_held_as_those():
    for text, plain in (("\u017ftrbuf", b"strbuf"), ("\u0130ndex", b"index"), ("\N{KELVIN SIGN}elvin", b"kelvin")):
        assert trigrams.of_literal(plain) <= set(FINDER.of(text.encode()).tolist())


def test_the_finder_forgets_the_text_before():
    first = set(FINDER.of(b"abcdef").tolist())
    FINDER.of(b"xyzxyz" * 100_000)
    assert set(FINDER.of(b"abcdef").tolist()) == first
