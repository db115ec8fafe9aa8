"""Find the calibrated constants of the simulator.

    python tools/calibrate_simulator.py [care] [alliance] [wellbeing]

Each step simulates a large cohort with fixed seeds, moves its constants until the published figures come out, and
writes the constants to standard output, to be copied into `Process` and `SimulationSettings` by hand. Steps depend on
those before them: copy, then run the next. All three take some five minutes.
"""

from __future__ import annotations

import math
import sys
from dataclasses import replace

import numpy as np
import numpy.typing as npt
from scipy import optimize, stats

from alliance_bayes.simulation.people import draw_care, draw_people
from alliance_bayes.simulation.published import published, replicate
from alliance_bayes.simulation.ratings import draw_alliance
from alliance_bayes.simulation.settings import Process, SimulationSettings
from alliance_bayes.simulation.simulate import simulate_cohort

Floats = npt.NDArray[np.float64]

#: People of the study by sex and by kind of provider, for standard errors at its own size.
WOMEN, MEN, COACH, OTHER = 1667, 1420, 2003, 1084
#: Least width of ratings of 4, 3 and 2 on the latent scale. Without it the misfit is a little smaller, but hardly
#: anybody rates 4: the medians by sex ask for people who either always give 5 or often give less than 4.
NARROWEST = (1.0, 0.6, 0.6)


def care() -> None:
    """Spacing of sessions: the median of days in care, interpolated between the whole days around it."""

    def excess(gap_days: float) -> float:
        process = replace(Process(), gap_days=gap_days)
        people = draw_people(np.random.default_rng(1), 100_000, process)
        days = draw_care(np.random.default_rng(2), people, process).days_in_care
        target = published("days_median").value
        return float(np.mean(days < target) + np.mean(days == target) / 2 - 0.5)

    say({"gap_days": optimize.brentq(excess, 8.0, 20.0, xtol=0.01)})


def alliance(n: int = 60_000) -> None:
    """Spreads, thresholds and group shifts of the ratings, by weighted least squares on eleven figures."""
    process = Process()
    people = draw_people(np.random.default_rng(1), n, process)
    sessions = draw_care(np.random.default_rng(2), people, process)
    women, coach = ~people.male, people.kind == 0

    def unpack(x: Floats) -> tuple[Process, float, float]:
        person, item, top, four, three, two, by_sex, by_coach = x
        steps = np.cumsum(np.abs([four, three, two]) + NARROWEST)
        thresholds = (top - steps[2], top - steps[1], top - steps[0], top)
        changed = replace(
            process,
            rating_person_sd=abs(person),
            rating_item_sd=abs(item),
            rating_thresholds=tuple(map(float, thresholds)),
        )
        return changed, by_sex, by_coach

    def misfit(x: Floats) -> float:
        changed, by_sex, by_coach = unpack(x)
        drawn = draw_alliance(np.random.default_rng(3), by_sex * women + by_coach * coach, sessions, changed)
        items = [
            np.bincount(sessions.person, weights=rating) / sessions.n_sessions for rating in (drawn.goal, drawn.bond)
        ]
        score = (items[0] + items[1]) / 2
        spread = np.cov(items[0], items[1])
        alpha = 2 * (1 - np.trace(spread) / spread.sum())
        errors = [
            (score.std() - published("alliance_sd").value) / 0.02,
            (alpha - published("alpha").value) / 0.01,
            off_median(score[women], "alliance_median_women") * 2 * math.sqrt(WOMEN),
            off_median(score[~women], "alliance_median_men") * 2 * math.sqrt(MEN),
            off_median(score[coach], "alliance_median_coach") * 2 * math.sqrt(COACH),
            off_median(score[~coach], "alliance_median_other") * 2 * math.sqrt(OTHER),
            rank_z(score[women], score[~women], WOMEN, MEN) - published("alliance_z_sex").value,
            rank_z(score[coach], score[~coach], COACH, OTHER) - published("alliance_z_coach").value,
            # The median of all prints as 4.8: with room for chance on both sides.
            100 * max(0.0, float(np.mean(score < 4.75)) - 0.48),
            100 * max(0.0, 0.52 - float(np.mean(score < 4.85))),
        ]
        return float(np.sum(np.square(errors)))

    x = np.array([1.0, 0.55, -0.7, 0.1, 0.4, 0.4, 0.28, 0.07])
    for _ in range(3):  # Nelder and Mead's simplex is restarted, because it can collapse before the minimum.
        x = optimize.minimize(
            misfit, x, method="Nelder-Mead", options={"maxiter": 300, "xatol": 0.002, "fatol": 0.01}
        ).x
    changed, by_sex, by_coach = unpack(x)
    say(
        {
            "rating_person_sd": changed.rating_person_sd,
            "rating_item_sd": changed.rating_item_sd,
            "rating_thresholds": changed.rating_thresholds,
            "alliance_women_minus_men": by_sex,
            "alliance_coach_minus_other": by_coach,
            "misfit": misfit(x),
        }
    )


def wellbeing(n: int = 200_000) -> None:
    """Spread of the baseline, and level, slopes and residual SD of the follow-up, one correction at a time."""
    settings = SimulationSettings()
    for _ in range(6):
        cohort = simulate_cohort(n, seed=1, settings=settings)
        seen = replicate(cohort.data, cohort.tables["sessions"])
        short = {key: published(key).value - seen[key] for key in ("change_mean", "slope", "share_elevated")}
        explained, total = seen["followup_sd"] ** 2 - seen["sigma"] ** 2, published("followup_sd").value ** 2
        r2 = published("r2").value
        settings = replace(
            settings,
            # A point of the mean moves 1.76 % of a normal distribution (mean 42, SD 18.7) over the cut-off.
            baseline_mean=settings.baseline_mean - short["share_elevated"] / 0.0176,
            # SD 18.7 rather than the derived 19 (18.4-19.3), so that the mean stays within what 10 % allows.
            baseline_sd=settings.baseline_sd + 18.7 - seen["baseline_sd"],
            followup_mean=settings.followup_mean + short["change_mean"],
            alliance_slope=settings.alliance_slope + short["slope"],
            baseline_slope=settings.baseline_slope * math.sqrt(r2 * total / explained),
            residual_sd=math.sqrt(settings.residual_sd**2 + (1 - r2) * total - seen["sigma"] ** 2),
        )
    names = ("baseline_mean", "baseline_sd", "followup_mean", "alliance_slope", "baseline_slope", "residual_sd")
    say({name: getattr(settings, name) for name in names})


def off_median(score: Floats, key: str) -> float:
    """How far the middle of the values that print as the published median lies from the middle of the distribution."""
    figure = published(key)
    low, high = figure.value - figure.rounding / 2, figure.value + figure.rounding / 2
    return float(np.mean(score < low) + np.mean((score >= low) & (score < high)) / 2 - 0.5)


def rank_z(first: Floats, second: Floats, n_first: int, n_second: int) -> float:
    """Deviate of the Mann-Whitney test that groups of the study's size would show on average."""
    superiority = stats.mannwhitneyu(first, second, method="asymptotic").statistic / (len(first) * len(second))
    counts = np.unique(np.concatenate([first, second]), return_counts=True)[1]
    untied = 1 - np.sum((counts / counts.sum()) ** 3)
    return float((superiority - 0.5) / math.sqrt((n_first + n_second) * untied / (12 * n_first * n_second)))


def say(found: dict[str, object]) -> None:
    """Write constants to standard output."""
    for name, value in found.items():
        text = ", ".join(f"{part:.3f}" for part in value) if isinstance(value, tuple) else f"{value:.3f}"
        sys.stdout.write(f"{name} = {text}\n")


if __name__ == "__main__":
    steps = {"care": care, "alliance": alliance, "wellbeing": wellbeing}
    for wanted in sys.argv[1:] or list(steps):
        steps[wanted]()
