"""The likelihood of all ratings, every participant's expected rating, and the derivatives of both, in one pass."""

from __future__ import annotations

from typing import Any

import numpy as np

from alliance_bayes.compiled import njit

__all__ = ["CATEGORIES", "MISSING", "ratings_and_expectations"]

CATEGORIES = 5
#: Category code of an item that was not rated.
MISSING = 5
_CUTS = CATEGORIES - 1
# exp(230) is finite, and so is its product with any exp(threshold) that a sampler visits.
_FAR = 230.0


@njit(nogil=True, error_model="numpy", boundscheck=False)
def ratings_and_expectations(
    theta: np.ndarray,
    lean: np.ndarray,
    provider: np.ndarray,
    cuts: np.ndarray,
    session_sd: Any,
    pair_person: np.ndarray,
    pair_provider: np.ndarray,
    pair_share: np.ndarray,
    pair_rows: np.ndarray,
    row_goal: np.ndarray,
    row_bond: np.ndarray,
    row_count: np.ndarray,
    nodes: np.ndarray,
    weights: np.ndarray,
) -> tuple[Any, ...]:
    """Log likelihood of the ratings and expected ratings, with every first derivative.

    A rating of item *m* (goal 0, bond 1) in a session is above category *k* with probability
    ``logistic(theta + lean_m + provider + session - cuts[m, k])``, ``lean_m`` being minus or plus ``lean``; the
    session's part, Normal(0, session_sd) and common to both items, is integrated by quadrature.

    Parameters
    ----------
    theta, lean
        A participant's trait, and half of what bond is rated above goal (logits), shape (n,).
    provider
        A provider's part (logits), shape (n_providers,).
    cuts
        Thresholds by item, ascending, shape (2, 4).
    session_sd
        SD of the session's part, a scalar array.
    pair_person, pair_provider, pair_share
        Each participant's providers: indices, and the share of the participant's sessions, shape (n_pairs,).
    pair_rows
        Rows of pair *p* are ``pair_rows[p]`` to ``pair_rows[p + 1] - 1``, shape (n_pairs + 1,).
    row_goal, row_bond, row_count
        Distinct ratings of a pair (categories 0-4, `MISSING` where an item was not rated) and how often each came.
    nodes, weights
        Quadrature for a standard normal variable.

    Returns
    -------
    tuple
        ``loglik``; its derivatives with respect to theta (n,), lean (n,), provider (n_providers,), cuts (2, 4) and
        session_sd; ``expected`` rating, 1-5 (n,); its derivatives with respect to theta (n,), lean (n,), the provider
        of each pair (n_pairs,), cuts (n, 8) and session_sd (n,).

    References
    ----------
    Samejima (1969), Estimation of latent ability using a response pattern of graded scores, Psychometrika Monograph 17
    (here in logistic form).
    """
    n, n_pairs, n_nodes = theta.size, pair_person.size, nodes.size
    sd = session_sd.item()
    loglik, g_sd = 0.0, 0.0
    g_theta, g_lean, g_provider = np.zeros(n), np.zeros(n), np.zeros(provider.size)
    g_cuts = np.zeros((2, _CUTS))
    expected, t_theta, t_lean, t_sd = np.ones(n), np.zeros(n), np.zeros(n), np.zeros(n)
    t_provider, t_cuts = np.zeros(n_pairs), np.zeros((n, 2 * _CUTS))

    # exp(-(eta - cut + sd x)) factors, so that a pair needs two exponentials.
    steps = np.empty((n_nodes, 2, _CUTS))
    for q in range(n_nodes):
        for m in range(2):
            for k in range(_CUTS):
                steps[q, m, k] = np.exp(cuts[m, k] - sd * nodes[q])
    total = np.zeros((2, CATEGORIES + 1))
    # By node: above[m, k] = P(category >= k) and below = 1 - above for k = 0..5; P = above[r] * below[r + 1] up to the
    # factor `gap` of a middle category, which is the same at every node.
    above, below = np.ones((2, CATEGORIES + 2, n_nodes)), np.ones((2, CATEGORIES + 2, n_nodes))
    joint = np.empty(n_nodes)

    for p in range(n_pairs):
        i, j, share = pair_person[p], pair_provider[p], pair_share[p]
        for m in range(2):
            eta = theta[i] + (lean[i] if m == 1 else -lean[i]) + provider[j]
            fall = np.exp(-min(max(eta, -_FAR), _FAR))
            slope_m = 0.0
            for k in range(_CUTS):
                value, slope, by_sd = 0.0, 0.0, 0.0
                for q in range(n_nodes):
                    e = fall * steps[q, m, k]
                    up = 1.0 / (1.0 + e)
                    down = e * up
                    above[m, k + 1, q], below[m, k + 1, q] = up, down
                    value += weights[q] * up
                    local = weights[q] * up * down
                    slope += local
                    by_sd += local * nodes[q]
                half = 0.5 * share
                expected[i] += half * value
                t_cuts[i, m * _CUTS + k] -= half * slope
                t_sd[i] += half * by_sd
                slope_m += half * slope
            t_theta[i] += slope_m
            t_lean[i] += slope_m if m == 1 else -slope_m
            t_provider[p] += slope_m
        for row in range(pair_rows[p], pair_rows[p + 1]):
            goal, bond, times = row_goal[row], row_bond[row], row_count[row]
            total[0, goal] += times
            total[1, bond] += times
            # A missing item has both factors at one: its "category" 5 has above[6] and below[6], which stay 1 and 1.
            lo_g, hi_g = (goal, goal + 1) if goal != MISSING else (MISSING + 1, MISSING + 1)
            lo_b, hi_b = (bond, bond + 1) if bond != MISSING else (MISSING + 1, MISSING + 1)
            likelihood = 0.0
            for q in range(n_nodes):
                joint[q] = weights[q] * above[0, lo_g, q] * below[0, hi_g, q] * above[1, lo_b, q] * below[1, hi_b, q]
                likelihood += joint[q]
            loglik += times * np.log(likelihood)
            scale = times / likelihood
            low_g, high_g, low_b, high_b, moved = 0.0, 0.0, 0.0, 0.0, 0.0
            for q in range(n_nodes):
                h = scale * joint[q]
                # d log above / d eta = below, d log below / d eta = -above; the outermost ones are constants.
                a = below[0, lo_g, q] if 0 < lo_g < CATEGORIES else 0.0
                b = above[0, hi_g, q] if 0 < hi_g < CATEGORIES else 0.0
                c = below[1, lo_b, q] if 0 < lo_b < CATEGORIES else 0.0
                d = above[1, hi_b, q] if 0 < hi_b < CATEGORIES else 0.0
                low_g += h * a
                high_g += h * b
                low_b += h * c
                high_b += h * d
                moved += h * nodes[q] * (a - b + c - d)
            g_sd += moved
            by_goal, by_bond = low_g - high_g, low_b - high_b
            g_theta[i] += by_goal + by_bond
            g_lean[i] += by_bond - by_goal
            g_provider[j] += by_goal + by_bond
            if 0 < lo_g < CATEGORIES:
                g_cuts[0, lo_g - 1] -= low_g
            if 0 < hi_g < CATEGORIES:
                g_cuts[0, hi_g - 1] += high_g
            if 0 < lo_b < CATEGORIES:
                g_cuts[1, lo_b - 1] -= low_b
            if 0 < hi_b < CATEGORIES:
                g_cuts[1, hi_b - 1] += high_b

    # P(r) = above[r] below[r + 1] (1 - exp(cut below - cut above)) for the middle categories, without cancellation.
    for m in range(2):
        for r in range(1, _CUTS):
            ratio = np.exp(cuts[m, r - 1] - cuts[m, r])
            loglik += total[m, r] * np.log1p(-ratio)
            pull = total[m, r] * ratio / (1.0 - ratio)
            g_cuts[m, r - 1] -= pull
            g_cuts[m, r] += pull
    return (
        np.asarray(loglik),
        g_theta,
        g_lean,
        g_provider,
        g_cuts,
        np.asarray(g_sd),
        expected,
        t_theta,
        t_lean,
        t_provider,
        t_cuts,
        t_sd,
    )
