"""The kernel against enumeration, its derivatives against differences, its expectations against the simulator."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytensor
import pytensor.tensor as pt
import pytest
from scipy.integrate import quad
from scipy.special import expit
from scipy.stats import norm

from alliance_bayes.errors import DataError
from alliance_bayes.latent.data import ratings_of
from alliance_bayes.latent.graph import ratings_graph
from alliance_bayes.latent.kernel import ratings_and_expectations

NODES = 5


def sessions() -> pd.DataFrame:
    """Four people; one sees two providers, one has items missing, one repeats the same ratings."""
    rows = [
        ("a", "p", 5, 5),
        ("a", "p", 5, 5),
        ("a", "q", 3, 4),
        ("b", "q", 1, 2),
        ("c", "p", np.nan, 4),
        ("c", "p", 2, np.nan),
        ("c", "p", np.nan, np.nan),
        ("d", "r", 5, 1),
        ("elsewhere", "p", 1, 1),
    ]
    return pd.DataFrame(rows, columns=["participant_id", "provider_id", "goal", "bond"])


def parameters() -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(0)
    cuts = np.array([[-5.0, -3.2, -1.4, 0.2], [-5.6, -3.9, -1.9, -0.2]])
    return rng.normal(size=4), rng.normal(size=4) / 2, rng.normal(size=3) / 2, cuts, np.array(0.7)


def test_log_likelihood_and_expectations_are_those_of_enumeration() -> None:
    theta, lean, provider, cuts, sd = parameters()
    data = ratings_of(sessions(), list("abcd"))
    out = ratings_and_expectations(*parameters(), *data.arguments(NODES))

    # Session by session, every probability as a difference of two curves; nodes straight from NumPy.
    nodes, weights = np.polynomial.hermite_e.hermegauss(NODES)
    weights = weights / weights.sum()
    place = {"p": 0, "q": 1, "r": 2}
    loglik, expected, count = 0.0, np.zeros(4), np.zeros(4)
    for row in sessions().itertuples():
        i = "abcd".find(row.participant_id)
        if i < 0 or (np.isnan(row.goal) and np.isnan(row.bond)):
            continue
        likelihood, rating = np.zeros(NODES), 0.0
        for q in range(NODES):
            joint = 1.0
            for item, (sign, given) in enumerate(((-1, row.goal), (1, row.bond))):
                eta = theta[i] + sign * lean[i] + provider[place[row.provider_id]] + sd * nodes[q]
                above = np.r_[1.0, expit(eta - cuts[item]), 0.0]
                mass = above[:-1] - above[1:]
                joint *= 1.0 if np.isnan(given) else mass[int(given) - 1]
                rating += weights[q] * mass @ np.arange(1, 6) / 2
            likelihood[q] = joint
        loglik += np.log(weights @ likelihood)
        expected[i] += rating
        count[i] += 1
    # Sums of a few dozen terms in double precision.
    assert float(out[0]) == pytest.approx(loglik, rel=1e-12)
    np.testing.assert_allclose(out[6], expected / count, rtol=1e-12)


@pytest.mark.slow
def test_derivatives_are_those_of_central_differences() -> None:
    arguments = ratings_of(sessions(), list("abcd")).arguments(NODES)
    given = parameters()
    weights = np.array([0.3, -1.2, 0.8, 2.0])
    symbols = [pt.dvector(), pt.dvector(), pt.dvector(), pt.dmatrix(), pt.dscalar()]
    loglik, expected = ratings_graph(tuple(symbols), arguments)
    target = 1.5 * loglik + pt.dot(expected, weights)
    value = pytensor.function(symbols, target)
    slopes = pytensor.function(symbols, pytensor.grad(target, symbols))(*given)
    step = 1e-5
    for k, array in enumerate(given):
        for at in np.ndindex(array.shape):
            ends = []
            for sign in (1, -1):
                moved = [np.array(part, dtype=float) for part in given]
                moved[k][at] += sign * step
                ends.append(float(value(*moved)))
            # A central difference is off by step^2 of the third derivative, and by rounding over the step: 1e-9.
            assert np.asarray(slopes[k])[at] == pytest.approx((ends[0] - ends[1]) / (2 * step), abs=1e-7)


def test_missing_ratings_are_no_evidence_about_their_item() -> None:
    data = ratings_of(pd.DataFrame({"participant_id": ["a"], "goal": [np.nan], "bond": [3.0]}), ["a"])
    cuts = parameters()[3]
    one = ratings_and_expectations(np.zeros(1), np.zeros(1), np.zeros(1), cuts, np.array(0.0), *data.arguments(NODES))
    above = expit(-cuts[1])
    assert float(one[0]) == pytest.approx(np.log(above[1] - above[2]), rel=1e-12)
    np.testing.assert_array_equal(one[4][0], 0.0)


def test_extreme_people_keep_finite_numbers() -> None:
    data = ratings_of(sessions(), list("abcd"))
    theta, lean, provider, cuts, sd = parameters()
    for far in (30.0, -30.0):
        out = ratings_and_expectations(theta + far, lean, provider, cuts, sd, *data.arguments(NODES))
        assert all(np.isfinite(part).all() for part in out)


def test_five_nodes_integrate_a_session_as_well_as_an_adaptive_rule() -> None:
    """Worst of all 25 pairs of ratings; the session's SD is 0.75 logits in the simulated study."""
    cuts = parameters()[3]
    for spread, n_nodes, allowed in ((0.75, NODES, 1e-3), (1.2, 9, 1e-3)):
        errors = []
        for goal in range(5):
            for bond in range(5):
                table = pd.DataFrame({"participant_id": ["a"], "goal": [goal + 1], "bond": [bond + 1]})
                data = ratings_of(table, ["a"])
                found = ratings_and_expectations(
                    np.ones(1), np.zeros(1), np.zeros(1), cuts, np.array(spread), *data.arguments(n_nodes)
                )[0]

                def integrand(s: float, goal: int = goal, bond: int = bond, spread: float = spread) -> float:
                    out = norm.pdf(s)
                    for item, rating in enumerate((goal, bond)):
                        above = np.r_[1.0, expit(1.0 + spread * s - cuts[item]), 0.0]
                        out *= above[rating] - above[rating + 1]
                    return out

                errors.append(abs(float(found) - np.log(quad(integrand, -9, 9, epsabs=1e-13)[0])))
        # A thousandth of a log likelihood whose single terms are of order 1, for the pair that is worst; a session's
        # part half as large again needs nine nodes for that.
        assert max(errors) < allowed


def test_faults_of_sessions_are_told_at_once() -> None:
    table = pd.DataFrame({"participant_id": ["a", "b"], "goal": [6.0, 2.0], "bond": [2.5, 3.0]})
    with pytest.raises(DataError) as caught:
        ratings_of(table, ["a", "b", "c"])
    assert str(caught.value) == (
        "sessions: 3 problems found; nothing was analysed.\n"
        "  - column 'goal', row 0: 6.0 is not a whole number from 1 to 5. Correct it, or leave it empty.\n"
        "  - column 'bond', row 0: 2.5 is not a whole number from 1 to 5. Correct it, or leave it empty.\n"
        "  - table: holds no rating of 1 of the 3 participants. Leave these participants out, or give their sessions."
    )
    with pytest.raises(DataError) as caught:
        ratings_of(table[["participant_id"]], ["a"])
    assert str(caught.value) == (
        "sessions: 2 problems found; nothing was analysed.\n"
        "  - column 'goal': is missing. Give one row a session, as read_tables reads it.\n"
        "  - column 'bond': is missing. Give one row a session, as read_tables reads it."
    )


def test_expected_rating_is_the_simulators_truth() -> None:
    """With the simulator's own parameters; its ogive is normal, so the thresholds' scale is matched and not equal."""
    import alliance_bayes as ab
    from alliance_bayes.simulation.ratings import _expected

    cohort = ab.simulate_cohort(50, seed=1)
    data = ratings_of(cohort.tables["sessions"], list(cohort.data["participant_id"]))
    rng = np.random.default_rng(2)
    theta, lean, provider = rng.normal(size=50), rng.normal(size=50) / 2, rng.normal(size=len(data.providers)) / 4
    thresholds, session = np.array([-3.445, -2.365, -1.258, -0.258]), 0.4
    # The simulator's formula, session by session.
    own = cohort.tables["sessions"]
    i = pd.Index(cohort.data["participant_id"]).get_indexer(own["participant_id"])
    j = pd.Index(data.providers).get_indexer(own["provider_id"])
    rating = np.zeros(len(own))
    for sign in (-1, 1):
        rating += _expected(theta[i] + sign * lean[i] + provider[j], np.hypot(1.0, session), thresholds) / 2
    truth = np.bincount(i, weights=rating) / np.bincount(i)
    # 1.702 logits to a normal SD bring the two curves within .0095 of each other (Camilli 1994), and four of them
    # within .04.
    unit = 1.702
    cuts = np.tile(unit * thresholds, (2, 1))
    out = ratings_and_expectations(
        unit * theta, unit * lean, unit * provider, cuts, np.array(unit * session), *data.arguments(9)
    )
    np.testing.assert_allclose(out[6], truth, atol=0.04)
    assert float(np.corrcoef(out[6], truth)[0, 1]) > 0.9995
