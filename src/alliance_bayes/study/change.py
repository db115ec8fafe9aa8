"""Aim 2: how much well-being changes, who improves and who recovers, and what regression to the mean explains."""

from __future__ import annotations

from alliance_bayes.api import Fit
from alliance_bayes.cohort import Cohort
from alliance_bayes.effects import EffectTable, overall_mean, regression_to_mean, responders
from alliance_bayes.effects.regression_to_mean import EVERYBODY, POPULATION_MEAN
from alliance_bayes.report.endpoints import lowest_above
from alliance_bayes.report.findings import Finding
from alliance_bayes.report.rows import measured, text_of
from alliance_bayes.report.text import Row, capital, exact, factor_name, join
from alliance_bayes.study.options import StudyOptions
from alliance_bayes.study.part import Block, Part
from alliance_bayes.study.populations import Populations
from alliance_bayes.study.predictive import predictive_pictures
from alliance_bayes.study.runner import StudyRunner
from alliance_bayes.study.tables import FEW_LEVELS, block_table, level_name, one_row, prefix_of, prefixed, shown
from alliance_bayes.study.words import more_or_less, share_words

__all__ = ["change"]


def change(runner: StudyRunner, populations: Populations) -> Part:
    """Mean change, improvement and recovery, and how much of the change a low start alone would bring."""
    everybody = runner.fit("change_everybody", card="change", cohort=populations["everybody"].cohort)
    elevated = runner.fit("change_elevated", card="change", cohort=populations["elevated"].cohort)
    after = runner.fit("followup_elevated", card="followup", cohort=populations["elevated"].cohort)
    means = _means(runner, everybody, elevated, populations)
    regression = _regression(runner, everybody)
    fits = {"improved": everybody, "improved-elevated": elevated, "recovered-elevated": after}
    shares = [_shares(runner, name, fit, populations) for name, fit in fits.items()]
    return Part(
        "change",
        "Change in well-being",
        "Aim 2. How much does well-being change, and which share of people improves or recovers, among everybody and "
        "among those with elevated depressive symptoms at baseline?",
        (means, regression, *shares),
        tuple(_findings(runner, means, regression, shares)),
        (
            "That care brought the change about. There is no control group: people also change by themselves, and "
            "those who were chosen for a low start would be expected to score higher later in any case.",
        ),
    )


def _means(runner: StudyRunner, everybody: Fit, elevated: Fit, populations: Populations) -> Block:
    prob, relevant = runner.options.prob, runner.options.improvement
    found = [
        prefixed(overall_mean(fit, prob=prob, relevant=relevant), name)
        for name, fit in (("everybody", everybody), ("elevated", elevated))
    ]
    for factor in ("provider_type", "sex"):
        if factor in {own.name for own in everybody.design.factors}:
            found.append(prefixed(everybody.adjusted_means(factor, prob=prob), "everybody"))
            pairs = everybody.contrasts(factor, prob=prob, rope=runner.options.rope)
            found.append(prefixed(pairs, "everybody", estimands=("contrast_of_means",)))
    block = runner.block("change-means", "Mean change", EffectTable.concat(found), [everybody, elevated])
    if block.withheld:
        return block

    def label(row: Row) -> str:
        who = capital(populations[prefix_of(row)].words)
        return who if not isinstance(row["level"], str) else level_name(row)

    levels, pairs = (block.rows[block.rows["versus"].isna()], block.rows[block.rows["versus"].notna()])
    tables = [block_table("table-change-means", "Mean change in WHO-5 (follow-up minus baseline)", levels, label=label)]
    if len(pairs):
        caption = "Differences of mean change, baseline WHO-5, age and days in care being equal"
        tables.append(block_table("table-change-pairs", caption, pairs, heading="Difference"))
    return block.with_page(tables=tables)


def _regression(runner: StudyRunner, fit: Fit) -> Block:
    options = runner.options
    found = regression_to_mean(
        fit, at_most=options.elevated, population_mean=options.population_mean, prob=options.prob
    )
    block = runner.block("change-regression", "Regression to the mean", found, [fit])
    if block.withheld:
        return block
    limit = exact(options.elevated)
    low, high = map(exact, options.population_mean)
    usual = options.population_mean == StudyOptions().population_mean
    where = " (country means of the WHO-5 in Europe lie between these)" if usual else ""
    text = (
        "People who come, or are chosen, when they score low score higher the next time even if nothing changes, "
        "because part of a low score is chance. They return towards the mean of the population that they come from, "
        "which this cohort cannot tell. The table has the part of the change that would be expected from that alone, "
        f"from the slope of follow-up on baseline, for population means of {low} and {high}{where}. It is a "
        "calculation under assumptions and no limit on either side: the part is smaller if people came for lasting "
        "trouble and not for a low score alone, and larger by what people who start low truly gain more than others. "
        "There is no control group to tell these apart.",
    )

    def label(row: Row) -> str:
        who, part, mean = str(row["level"]).partition(POPULATION_MEAN)
        if not part:
            return measured(block.rows, row, level=f"{limit} or less")
        people = "Everybody" if who == EVERYBODY else f"Baseline WHO-5 of {limit} or less"
        return f"{people}: {measured(block.rows, row, level=mean)}"

    table = block_table(
        "table-change-regression", "Change, and what regression to the mean would bring", block.rows, label=label
    )
    return block.with_page(text=text, tables=[table])


def _shares(runner: StudyRunner, name: str, fit: Fit, populations: Populations) -> Block:
    """Model-implied shares; with the full study those of a Bernoulli model beside them."""
    event, _, who = name.partition("-")
    least = runner.options.improvement if event == "improved" else lowest_above(runner.options.elevated)
    fits = {"model": fit}
    if runner.options.full:
        cohort = _with_event(runner, event, populations[who or "everybody"].cohort)
        fits["bernoulli"] = runner.fit(f"bernoulli_{name}", card=event, cohort=cohort)
    found = []
    for kind, own in fits.items():
        few = [factor.name for factor in own.design.factors if len(factor.levels) <= FEW_LEVELS]
        at_least = least if kind == "model" else 1.0
        found.append(prefixed(responders(own, at_least=at_least, factor=few, prob=runner.options.prob), kind))
    who_words = populations[who or "everybody"].words
    title = f"{'Improved' if event == 'improved' else 'Recovered'}, {who_words}"
    block = runner.block(f"change-{name}", title, EffectTable.concat(found), fits.values())
    if block.withheld:
        return block

    def label(row: Row) -> str:
        first = "All" if not isinstance(row["level"], str) else level_name(row)
        return f"{first}{_beside(row)}" if len(fits) > 1 else first

    shares = _in_order(block.rows[block.rows["estimand"] == "share_at_least"])
    differences = _in_order(block.rows[block.rows["estimand"] == "risk_difference"])
    what = (
        f"an improvement of {exact(least)} points or more"
        if event == "improved"
        else f"a follow-up WHO-5 above {exact(runner.options.elevated)}"
    )
    tables = [
        block_table(f"table-change-{name}", f"Probability of {what}, {who_words}", shares, label=label, direction=False)
    ]
    if len(differences):
        pairs = f"table-change-{name}-pairs"
        tables.append(
            block_table(
                pairs, f"Risk differences of {what}, {who_words}", differences, label=label, heading="Difference"
            )
        )
    text = (
        f"The share with {what}, implied by the model of the score (the cut lies midway between two steps of the score)"
        + (
            " and, beside it, estimated by a Bernoulli model of the event itself, which uses less of what was measured."
            if len(fits) > 1
            else "."
        ),
    )
    pictures = (
        predictive_pictures(f"change-{name}", "Bernoulli model", fits["bernoulli"], runner.options.small)
        if name == "improved" and len(fits) > 1
        else []
    )
    return block.with_page(text=text, tables=tables, pictures=pictures)


def _beside(row: Row) -> str:
    return " (model of the score)" if prefix_of(row) == "model" else " (Bernoulli model)"


def _in_order(rows: EffectTable) -> EffectTable:
    """Rows of the same from different models beside each other."""

    def place(k: int) -> tuple[int, str, str]:
        row = rows.iloc[k]
        alone = not isinstance(row["level"], str)
        return (0 if alone else 1, "" if alone else factor_name(str(row["factor"])), level_name(row))

    return rows.iloc[sorted(range(len(rows)), key=place)]


def _with_event(runner: StudyRunner, event: str, cohort: Cohort) -> Cohort:
    data = cohort.data
    if event == "improved":
        happened, known = data["who5_change"] >= runner.options.improvement, data["who5_change"].notna()
    else:
        happened, known = data["who5_followup"] > runner.options.elevated, data["who5_followup"].notna()
    values = happened.astype("float64").where(known)
    # Whoever has no follow-up has no event.
    why = {**cohort.why_missing, event: cohort.why_missing.get("who5_followup", {})}
    return Cohort(data.assign(**{event: values}), cohort.source, cohort.excluded, why_missing=why, aside=cohort.aside)


def _findings(runner: StudyRunner, means: Block, regression: Block, shares: list[Block]) -> list[Finding]:
    findings = []
    if not means.withheld:
        estimates = shown(means.rows)
        for who, words in (("everybody", "among everybody"), ("elevated", "among those with elevated symptoms")):
            row = one_row(means.rows, "overall_mean", who)
            sentence = more_or_less(estimates, row, unit="WHO-5 points")
            findings.append(
                Finding(
                    f"Compared with baseline, well-being at follow-up was, {words}, {sentence}.",
                    (f"{means.name}/{row.name}",),
                )
            )
    if not regression.withheld:
        estimates = shown(regression.rows)
        shares_of = regression.rows[regression.rows["estimand"] == "share_of_regression"]
        for who, words in ((EVERYBODY, "everybody"), ("at most", "those with elevated symptoms")):
            rows = [row for _, row in shares_of.iterrows() if str(row["level"]).startswith(who)]
            # A share of a change that may be zero means little.
            parts = [
                f"{share_words(estimates, row)} if that mean is {str(row['level']).partition(POPULATION_MEAN)[2]}"
                for row in rows
                if not text_of(row, "note")
            ]
            if parts:
                findings.append(
                    Finding(
                        f"Of the change of {words}, regression to the mean of the population that they come from would "
                        f"by itself be expected to bring {join(parts)}; the cohort cannot tell which.",
                        tuple(f"{regression.name}/{row.name}" for row in rows),
                    )
                )
    for block in shares:
        if block.withheld:
            continue
        estimates = shown(block.rows)
        overall = block.rows[(block.rows["estimand"] == "share_at_least") & block.rows["level"].isna()]
        row = overall.iloc[0]
        happened = (
            f"improved by {exact(runner.options.improvement)} points or more"
            if "improved" in block.name
            else f"had a follow-up WHO-5 above {exact(runner.options.elevated)}"
        )
        who = "those with elevated symptoms" if "elevated" in block.name else "everybody"
        findings.append(Finding(f"Of {who}, {share_words(estimates, row)} {happened}.", (f"{block.name}/{row.name}",)))
    return findings
