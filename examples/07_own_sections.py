"""A report with sections of your own: keep some of those that come with the package, and add tables and a figure.

Writes own_sections.html and own_sections.json, then verifies the page against the data it was made of.
"""

from __future__ import annotations

import pandas as pd

import alliance_bayes as ab
from alliance_bayes.effects import EffectTable

FORMULA = "who5_followup ~ alliance + who5_baseline + age + (alliance || provider_type) + (alliance || sex)"


def baseline_bands(view: ab.View) -> ab.Section:
    """How people were doing at baseline and at follow-up, by band of the WHO-5 at baseline."""
    frame = view.fit.design.frame
    bands = pd.cut(frame["who5_baseline"], [-1, 28, 50, 100], labels=["28 or below", "29 to 50", "above 50"])
    counted = frame.groupby(bands, observed=True)["who5_followup"].agg(["size", "mean"])
    # What a section shows of the rows must be about groups, and not about few people.
    counted = counted[counted["size"] >= view.small]
    table = view.table(
        pd.DataFrame(
            {
                "Baseline WHO-5": counted.index.astype(str),
                "People": [f"{size:,}" for size in counted["size"]],
                "Mean follow-up WHO-5": [f"{mean:.1f}" for mean in counted["mean"]],
            }
        ),
        name="table-bands",
        caption=f"Follow-up WHO-5 by band of baseline WHO-5; {len(frame):,} people analysed, no model",
    )

    def paint(figure) -> None:  # type: ignore[no-untyped-def]
        axes = figure.subplots()
        axes.bar(counted.index.astype(str), counted["mean"])
        axes.set_ylabel("mean follow-up WHO-5 (WHO-5 points)")
        axes.set_xlabel("baseline WHO-5")

    figure = view.figure(
        paint,
        name="bands",
        title="Follow-up WHO-5 by baseline",
        caption="Observed means; people who start low score lower later, though many of them gain.",
        description=", ".join(f"{band}: {mean:.1f}" for band, mean in counted["mean"].items()) + ".",
        data=table,
    )
    return ab.Section.of("bands", "Where people started", "Observed means, without a model.", figure)


def slopes_by_sex(fit: ab.Fit) -> EffectTable:
    """What the next section estimates, of any fit."""
    return fit.contrasts("sex", of="slope")


def sexes(view: ab.View) -> ab.Section:
    """A section with estimates of its own, which come with the function that makes them again."""
    rows = slopes_by_sex(view.fit)
    table = view.effect_table(
        view.estimated("sexes", rows),
        name="table-sexes",
        caption="Differences of the slope of alliance between sexes; posterior means",
        label=lambda row: f"{row['level']} against {row['versus']}",
        heading="Difference",
    )
    return ab.Section.of("sexes", "Slopes by sex", table, rows=rows, remake=slopes_by_sex)


def main() -> None:
    cohort = ab.simulate_cohort(n=800, seed=1)
    fit = ab.Model(FORMULA, priors="literature").fit(cohort, seed=1, progress=False)

    report = ab.Report(sections=["data", baseline_bands, "effects", "groups", sexes, "limitations", "reproduction"])
    page, numbers = report.render(fit).write("own_sections.html")
    print(f"{page} and {numbers} written")

    # A page cannot say how sections of your own are made: hand them in, or nothing in them is verified.
    checked = ab.verify_report(page, cohort, sections=[baseline_bands, sexes])
    print(f"verified: {checked.passed}; {len(checked.figures):,} figures compared")
    assert checked.passed, checked.problems


if __name__ == "__main__":
    main()
