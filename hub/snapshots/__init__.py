"""Snapshots: folders as they were, in an object store.

What a store holds, below a prefix for each project:

    packs/<sha256>           contents: zstd frames of some MB together, and an index of them at the end
    trees/<sha256>           manifests: segments of sorted entries, and a root that lists segments and packs
    snapshots/<id>.json      one snapshot: what it is of, its counts, and the name of its root
    leases/<name>            who uses the store right now, so that nobody collects what another is about to name

Everything but the last two is named after the SHA-256 of its bytes, so it never changes and can be checked by anybody.
Packs are written first, then trees, then the snapshot; deleting goes the other way round. So whenever a run is cut
short, a snapshot that is there has all that it names.
"""
