"""Medians of pairwise ratios, and how sure they are."""

import math
import statistics


def interval(values, sure=0.95):
    """Between which of the sorted values the median of all there could be lies, as surely as said at least."""
    ordered, n = sorted(values), len(values)
    below, rank = 0.0, 0
    while rank < n // 2 and below + math.comb(n, rank) / 2**n <= (1 - sure) / 2:
        below += math.comb(n, rank) / 2**n
        rank += 1
    rank = max(rank - 1, 0)
    return ordered[rank], ordered[n - 1 - rank]


def ratio(ours, theirs):
    """Median of the ratios, round by round, with its interval."""
    pairs = [a / b for a, b in zip(ours, theirs)]
    low, high = interval(pairs)
    return statistics.median(pairs), low, high
