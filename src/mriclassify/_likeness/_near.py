"""Near-duplicates: which of many 256-bit hashes lie within a Hamming distance, without comparing all pairs.

The bits are dealt at random into substrings of equal length, and hashes that agree in a whole substring are compared.
With more substrings than bits that may differ nothing is missed (multi-index hashing: Norouzi, Punjani and Fleet, "Fast
Search in Hamming Space with Multi-Index Hashing", CVPR 2012). For larger radii such substrings would be so short that
everything agrees with everything. Longer ones are taken then, and the bits are dealt again and again, until a pair at
the radius itself is missed with a probability of at most `MISSED` (bit sampling: Indyk and Motwani, "Approximate
Nearest Neighbors", STOC 1998; `_rounds` has the formula). Closer pairs are missed far more seldom. That holds whatever
the data: it is the substrings that are drawn, so that it does not matter which bits differ. Bits that are uneven or
go together only cost time, and the length is chosen for the hashes at hand. Few hashes are compared pair by pair.

Two hashes are as far apart as the nearest two orientations of them: a mirrored or turned copy is a near-duplicate.
"""

from collections.abc import Iterable, Iterator
from functools import cache
from math import ceil, comb, log, log1p

import numpy as np
from numpy.typing import NDArray

from mriclassify._likeness._hashing import Hashes, orientations

BITS = 256
MISSED = 2e-4
"""Probability, at most, with which a pair exactly at the radius is missed."""

SEED = 73
"""The same hashes give the same answer each time."""

LENGTHS = range(8, 129, 2)
"""Bits of a substring."""

PER_LOOKUP, PER_CANDIDATE, PER_PAIR = 35.0, 45.0, 2.5
"""Nanoseconds that a hash costs in a table, a pair that agrees in a substring, and a pair where all are compared.

They choose among ways that give the same answer, so that only their ratios matter.
"""

SAMPLE = 1 << 18
"""Pairs that are drawn to see how alike the hashes are."""

BATCH = 1 << 18
"""Pairs that are compared at a time, which bounds the memory."""

CROWDED = 8
"""Of a bucket with more hashes than this, those that may not meet the seeker are left out before they are listed."""

CROWD_LENGTHS = (128, 64, 32, 16)
CROWD_JOINED = 0.02
"""Crowds are joined by substrings of these lengths, each as long as a round still joins this part of the hashes."""

MULTIPLIERS = (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB, 0xD6E8FEB86659FD93)
"""Odd, with bits of all kinds (those of SplitMix64 and its relatives), one for each word of a hash."""

Indices = NDArray[np.int64]
Words = NDArray[np.uint64]
Halves = tuple[Words, Words]
"""Twice (n, 2): most pairs are told apart by the first 128 bits."""


def near_pairs(hashes: Hashes, *, radius: int, oriented: bool = True) -> Indices:
    """Return the pairs of hashes that are at most `radius` bits apart.

    All of them: among k equal hashes that is k(k-1)/2. To group slices, ask for `clusters`.

    Args:
        hashes: (n, 4).
        radius: bits that may differ.
        oriented: whether mirrored and turned copies count as well.

    Returns:
        (m, 2), sorted; the first of each pair is the lesser.
    """
    distinct, copies = _distinct(hashes)
    search = _Search(distinct, orientations(distinct) if oriented else distinct[None], radius)
    search.admit_earlier()
    pairs = _collect(search.matches(search.plan(_rng())), len(distinct))
    return _expand(pairs, copies)


def near_between(a: Hashes, b: Hashes, *, radius: int) -> Indices:
    """Return the pairs of a row of `a` (n, 4) and a row of `b` (m, 4) that are at most `radius` bits apart.

    Mirrored and turned copies count as well.

    Returns:
        (k, 2), sorted: row of `a`, row of `b`.
    """
    search = _Search(a, orientations(b), radius)
    return _collect(search.matches(search.plan(_rng())), len(b))


def clusters(hashes: Hashes, *, radius: int) -> Indices:
    """Number the groups of near-duplicates: what a chain of near pairs links has one number.

    Mirrored and turned copies count as well. Equal and almost equal hashes, however many, cost no more than others.
    What does cost time is a crowd in which pairs are a little too far apart, of tens of thousands of hashes and more.

    Args:
        hashes: (n, 4).
        radius: bits in which neighbours in a chain may differ.

    Returns:
        (n,), 0 and up in order of first appearance.
    """
    distinct, copies = _distinct(hashes)
    rng = _rng()
    search = _Search(distinct, orientations(distinct), radius)
    labels = _join_crowds(search, np.arange(len(distinct)), rng)
    search.admit_strangers(labels)
    for mask in search.plan(rng):
        for i, j in _gathered(search.matches([mask])):
            labels = _joined(labels, i, j)
        search.admit_strangers(labels)
    return _by_appearance(labels[copies])


class _Search:
    """Hashes to be found (n, 4), the orientations (v, m, 4) of hashes that seek, and who may meet whom.

    The seeker j may meet the hashes of a rank below `_ceiling[j]`.
    """

    def __init__(self, hashes: Hashes, variants: NDArray[np.uint64], radius: int) -> None:
        self._found, self._seeking, self._radius = _halves(hashes), [_halves(variant) for variant in variants], radius
        self._order = self._rank = np.arange(len(hashes))
        self._ceiling = np.full(variants.shape[1], len(hashes))

    def admit_earlier(self) -> None:
        """Where the same hashes seek: let each meet those before it, so that a pair meets once."""
        self._ceiling = self._rank

    def admit_strangers(self, labels: Indices) -> None:
        """The same, but let each meet those of lesser labels (n,) only: within a cluster there is nothing to find."""
        self._order = np.argsort(labels, kind="stable")
        self._rank = np.empty_like(self._order)
        self._rank[self._order] = np.arange(len(labels))
        self._ceiling = np.searchsorted(labels[self._order], labels)

    def plan(self, rng: np.random.Generator) -> list[Words]:
        """Return the masks (4,) of the substrings to go through, or one without bits where comparing all is quicker."""
        distances, pairs = self._sample(rng)
        seekers = len(self._seeking) * len(self._ceiling)

        def nanoseconds(length: int) -> float:
            candidates = pairs * float(_agreement(length)[distances].mean())
            tables = _rounds(self._radius, length) * (BITS // length)
            return tables * (seekers * PER_LOOKUP + candidates * PER_CANDIDATE)

        lengths = [length for length in LENGTHS if length <= BITS - self._radius] if len(distances) else []
        best = min(lengths, key=nanoseconds, default=0)
        if not best or nanoseconds(best) > seekers * len(self._rank) * PER_PAIR:
            return [np.zeros(4, np.uint64)]
        return [mask for _ in range(_rounds(self._radius, best)) for mask in _deal(best, rng)]

    def matches(
        self, masks: Iterable[Words], rng: np.random.Generator | None = None
    ) -> Iterator[tuple[Indices, Indices]]:
        """Yield pairs (found, seeker) that agree in a substring, may meet and are near, a batch at a time.

        With `rng` each seeker meets at most one of those that agree with it, drawn at random.
        """
        for mask in masks:
            for seeking, i, j in self._agreeing(mask, rng) if mask.any() else self._all():
                admitted = np.flatnonzero(self._rank[i] < self._ceiling[j])
                i, j = i[admitted], j[admitted]
                distance = _distance(self._found[0], i, seeking[0], j)
                close = np.flatnonzero(distance <= self._radius)
                i, j = i[close], j[close]
                distance = distance[close] + _distance(self._found[1], i, seeking[1], j)
                near = np.flatnonzero(distance <= self._radius)
                if len(near):
                    yield i[near], j[near]

    def _agreeing(self, mask: Words, rng: np.random.Generator | None) -> Iterator[tuple[Halves, Indices, Indices]]:
        """Yield what falls into one bucket of a hash table: a variant, found, seekers."""
        bits = len(self._rank).bit_length() + 1
        keys = _buckets(self._found, mask, bits)
        starts = np.concatenate([[0], np.cumsum(np.bincount(keys, minlength=1 << bits))]).astype(np.int32)
        table = np.sort(keys << 32 | self._rank)  # by bucket, and in a bucket by rank
        members = self._order[table & 0xFFFFFFFF]
        for seeking in self._seeking:
            keys = _buckets(seeking, mask, bits)
            first, last = starts[keys], starts[keys + 1]
            crowded = np.flatnonzero(last - first > CROWDED)
            last[crowded] = np.searchsorted(table, keys[crowded] << 32 | self._ceiling[crowded])
            count = last - first
            if rng is not None:
                first += (rng.random(len(count)) * count).astype(np.int32)
                count = np.minimum(count, 1)
            for place, seeker in _listed(first, count):
                yield seeking, members[place], seeker

    def _all(self) -> Iterator[tuple[Halves, Indices, Indices]]:
        """Yield what is close in the first 128 bits, all pairs compared: a variant, found, seekers."""
        tall, wide = 128, BATCH // 128
        for seeking in self._seeking:
            for left in range(0, len(self._ceiling), wide):
                columns = np.ascontiguousarray(seeking[0][left : left + wide].T)
                for top in range(0, len(self._rank), tall):
                    rows = self._found[0][top : top + tall]
                    distance = _popcount(rows[:, :1] ^ columns[0]) + _popcount(rows[:, 1:] ^ columns[1])
                    i, j = np.divmod(np.flatnonzero(distance <= self._radius), distance.shape[1])
                    yield seeking, i + top, j + left

    def _sample(self, rng: np.random.Generator) -> tuple[NDArray[np.intp], int]:
        """Return the distances of some pairs that may meet, and how many pairs may."""
        if not len(self._rank) or not len(self._ceiling):
            return np.zeros(0, np.intp), 0
        i, j = rng.integers(len(self._rank), size=SAMPLE), rng.integers(len(self._ceiling), size=SAMPLE)
        admitted = np.flatnonzero(self._rank[i] < self._ceiling[j])
        i, j = i[admitted], j[admitted]
        variant = self._seeking[-1]
        distances = sum(_distance(self._found[half], i, variant[half], j) for half in (0, 1))
        return np.asarray(distances, np.intp), len(self._seeking) * int(self._ceiling.sum())


def _join_crowds(search: _Search, labels: Indices, rng: np.random.Generator) -> Indices:
    """Join most of what is near in crowds (blank slices, say): each meets one of those that it agrees with, a round.

    A hundred thousand hashes that are all near each other are one cluster after one round, instead of n² pairs.
    """
    for length in CROWD_LENGTHS:
        joined = len(labels)
        while joined > CROWD_JOINED * len(labels):
            search.admit_strangers(labels)
            before = len(np.unique(labels))
            for i, j in _gathered(search.matches(_deal(length, rng)[:1], rng)):
                labels = _joined(labels, i, j)
            joined = before - len(np.unique(labels))
    return labels


def _joined(labels: Indices, i: Indices, j: Indices) -> Indices:
    """Return the labels (n,) when each i and its j are of one cluster: of two labels the lesser is kept."""
    labels = labels.copy()
    while True:
        lesser, greater = np.minimum(labels[i], labels[j]), np.maximum(labels[i], labels[j])
        apart = lesser < greater
        if not apart.any():
            return labels
        np.minimum.at(labels, greater[apart], lesser[apart])
        while ((followed := labels[labels]) != labels).any():
            labels = followed


@cache
def _rounds(radius: int, length: int) -> int:
    """How often the bits must be dealt into substrings of this length.

    Of m substrings some subset of size t is free of differing bits in C(m, t) C(256 - t length, radius) ways, of
    C(256, radius) in all, so that by inclusion and exclusion one dealing misses a pair at the radius with probability

        sum over t of (-1)^t C(m, t) C(256 - t length, radius) / C(256, radius)

    which is 0 where m > radius. Dealings are independent.
    """
    m = BITS // length
    every = comb(BITS, radius)
    missed = sum((-1) ** t * comb(m, t) * comb(BITS - t * length, radius) for t in range(m + 1))
    found = (every - missed) / every
    return 1 if found == 1 else ceil(log(MISSED) / log1p(-found))


@cache
def _agreement(length: int) -> NDArray[np.float64]:
    """(257,) probability that two hashes agree in a substring, for each distance."""
    return np.array([comb(BITS - distance, length) / comb(BITS, length) for distance in range(BITS + 1)])


def _deal(length: int, rng: np.random.Generator) -> list[Words]:
    """Deal the bits into substrings: masks (4,), which have no bit in common."""
    dealt = rng.permutation(BITS)[: BITS // length * length].reshape(-1, length)
    chosen = np.zeros((len(dealt), BITS), np.uint64)
    np.put_along_axis(chosen, dealt, np.uint64(1), axis=1)
    return list(np.bitwise_or.reduce(chosen.reshape(-1, 4, 64) << np.arange(64, dtype=np.uint64), axis=2))


def _buckets(halves: Halves, mask: Words, bits: int) -> Indices:
    """(n,) a number below 2^bits for each hash, the same wherever the masked bits are: multiply and fold."""
    n, step = len(halves[0]), 1 << 15  # small enough for the processor's own memory
    buckets = np.empty(n, np.int64)
    words = [half[:, column] for half in halves for column in (0, 1)]
    for top in range(0, n, step):
        key = np.zeros(min(step, n - top), np.uint64)
        for word, bits_of_word, multiplier in zip(words, mask, MULTIPLIERS, strict=True):
            key ^= key >> np.uint64(32)
            key += word[top : top + step] & bits_of_word
            key *= np.uint64(multiplier)
        buckets[top : top + step] = key >> np.uint64(64 - bits)
    return buckets


def _listed(first: NDArray[np.int32], count: NDArray[np.int32]) -> Iterator[tuple[Indices, Indices]]:
    """Yield (place, row) for the places first, first + 1, ... of each row (n,), about `BATCH` at a time."""
    rows = np.flatnonzero(count > 0)
    ends = np.cumsum(count[rows], dtype=np.int64)
    starts = ends - count[rows]
    shift = first[rows] - starts
    top = 0
    while top < len(rows):
        below = max(top + 1, int(np.searchsorted(ends, starts[top] + BATCH, side="right")))
        some, listed = slice(top, below), np.arange(starts[top], ends[below - 1])
        yield listed + np.repeat(shift[some], count[rows[some]]), np.repeat(rows[some], count[rows[some]])
        top = below


def _gathered(matches: Iterable[tuple[Indices, Indices]]) -> Iterator[tuple[Indices, Indices]]:
    """Yield the same in batches that are worth a pass over all labels."""
    pending: list[tuple[Indices, Indices]] = []
    size = 0
    for match in matches:
        pending.append(match)
        size += len(match[0])
        if size > BATCH:
            yield _together(pending)
            pending, size = [], 0
    if pending:
        yield _together(pending)


def _together(matches: list[tuple[Indices, Indices]]) -> tuple[Indices, Indices]:
    found, seekers = zip(*matches, strict=True)
    return np.concatenate(found), np.concatenate(seekers)


def _collect(matches: Iterable[tuple[Indices, Indices]], seekers: int) -> Indices:
    """(m, 2), sorted, each pair once: several tables find the same."""
    found, pending, size = np.zeros(0, np.int64), [], 0
    for i, j in matches:
        pending.append(i * seekers + j)
        size += len(i)
        if size > len(found) + 4 * BATCH:
            found, pending, size = np.unique(np.concatenate([found, *pending])), [], 0
    return np.column_stack(np.divmod(np.unique(np.concatenate([found, *pending])), max(seekers, 1)))


def _expand(pairs: Indices, copies: Indices) -> Indices:
    """Return the pairs of hashes, of which `copies` (n,) has the distinct one, from pairs of distinct ones."""
    order = np.argsort(copies, kind="stable")
    count = np.bincount(copies)
    start = np.cumsum(count) - count
    own = np.flatnonzero(count > 1)
    left, right = np.concatenate([pairs, np.column_stack([own, own])]).T
    number = count[left] * count[right]
    within = np.arange(number.sum()) - np.repeat(np.cumsum(number) - number, number)
    above, below = np.divmod(within, np.repeat(count[right], number))
    i, j = order[np.repeat(start[left], number) + above], order[np.repeat(start[right], number) + below]
    once = (np.repeat(left != right, number)) | (i < j)
    both = np.sort(np.column_stack([i[once], j[once]]), axis=1)
    return both[np.lexsort(both.T[::-1])]


def _distinct(hashes: Hashes) -> tuple[Hashes, Indices]:
    """Return the different hashes (m, 4), and (n,) which of them each is."""
    distinct, copies = np.unique(hashes, axis=0, return_inverse=True)
    return distinct, copies.reshape(-1)


def _by_appearance(labels: Indices) -> Indices:
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    place = np.empty_like(first)
    place[np.argsort(first)] = np.arange(len(first))
    return place[inverse]


def _halves(hashes: Hashes) -> Halves:
    return np.ascontiguousarray(hashes[:, :2]), np.ascontiguousarray(hashes[:, 2:])


def _distance(a: Words, i: Indices, b: Words, j: Indices) -> NDArray[np.int16]:
    """(m,) bits that differ between the rows i of a (n, 2) and j of b."""
    count = _popcount(a.take(i, axis=0) ^ b.take(j, axis=0))
    return np.add(count[:, 0], count[:, 1], dtype=np.int16)


def _popcount(words: Words) -> NDArray[np.uint8]:
    """Bits that are set in each word."""
    if hasattr(np, "bitwise_count"):
        return np.asarray(np.bitwise_count(words))
    return _popcount_by_adding(words)


def _popcount_by_adding(words: Words) -> NDArray[np.uint8]:
    """The same for numpy 1.26: pairs, then fours, then bytes are added up within each word."""
    words = words - ((words >> np.uint64(1)) & np.uint64(0x5555555555555555))
    words = (words & np.uint64(0x3333333333333333)) + ((words >> np.uint64(2)) & np.uint64(0x3333333333333333))
    words = (words + (words >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return (words * np.uint64(0x0101010101010101) >> np.uint64(56)).astype(np.uint8)


def _rng() -> np.random.Generator:
    return np.random.default_rng(SEED)
