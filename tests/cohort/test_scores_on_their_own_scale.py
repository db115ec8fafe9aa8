"""An alliance score on its instrument's own scale: what is read, and the scale, priors and margins that follow."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import alliance_bayes as ab
from alliance_bayes.cli import main
from alliance_bayes.errors import DataError, UsageError
from alliance_bayes.model import ModelSpec, Scale
from alliance_bayes.model.card import card_arguments, card_text
from alliance_bayes.model.scales import BUILT_IN, scales_of
from alliance_bayes.study.cache import PosteriorCache
from alliance_bayes.study.options import StudyOptions, alliance_scale
from alliance_bayes.study.registry import PARTS
from alliance_bayes.study.runner import StudyRunner
from builders import rows

FORMULA = "who5_followup ~ alliance + who5_baseline"


def totals(n: int = 200) -> pd.DataFrame:
    """Totals of 12 to 60 in place of mean ratings of 1 to 5."""
    table = rows(n)
    return table.assign(alliance=(12 * table["alliance"]).round())


def test_a_total_is_refused_with_the_remedy_and_read_on_its_own_scale() -> None:
    table = totals()
    with pytest.raises(
        DataError, match=r"is outside 1 to 5 \(mean alliance rating\).*instruments=\{'alliance': 'wai_sr'\}"
    ):
        ab.read_cohort(table)
    cohort = ab.read_cohort(table, instruments={"alliance": "wai_sr"})
    assert cohort.instruments == {"alliance": "WAI-SR"}
    with pytest.raises(DataError, match=r"61.0 is outside 12 to 60 \(WAI-SR score\)"):
        ab.read_cohort(
            table.assign(alliance=table["alliance"].where(table.index != 3, 61.0)), instruments={"alliance": "WAI-SR"}
        )


@pytest.mark.parametrize(
    "given",
    [{"alliance": "who5"}, {"alliance": "phq9"}, {"alliance": "nothing"}, {"age": "wai_sr"}, "wai_sr", {"alliance": 3}],
)
def test_what_is_no_scale_of_an_alliance_is_refused(given: object) -> None:
    with pytest.raises(UsageError, match="instruments"):
        ab.read_cohort(totals(20), instruments=given)  # type: ignore[arg-type]


def test_the_scale_is_the_instruments_with_mean_and_sd_of_the_table_or_of_its_reference() -> None:
    table = totals()
    scale = scales_of(ab.read_cohort(table, instruments={"alliance": "wai_sr"}))["alliance"]
    assert (scale.lower, scale.upper, scale.step, scale.unit) == (12.0, 60.0, None, "alliance point")
    np.testing.assert_allclose([scale.mean, scale.sd], [table["alliance"].mean(), table["alliance"].std()], rtol=5e-4)
    assert "mean and SD of the table" in scale.reason
    srs = scales_of(ab.read_cohort(table.assign(alliance=table["alliance"] / 1.5), instruments={"alliance": "srs"}))
    assert (srs["alliance"].mean, srs["alliance"].sd, srs["alliance"].upper) == (36.0, 4.0, 40.0)


def test_literature_priors_are_on_that_scale_and_cards_keep_it() -> None:
    cohort = ab.read_cohort(totals(), instruments={"alliance": "wai_sr"})
    spec = ModelSpec(FORMULA, priors="literature").on_scales_of(cohort)
    design = spec.design(spec.complete(cohort)[0])
    sd = float(f"{cohort.data['alliance'].std():.4g}")
    prior = spec.priors_for(design)["alliance"].prior
    # The WHO-5's reference SD is 19; the standardised slope is Normal(.15, .10).
    np.testing.assert_allclose(list(prior.arguments.values()), [0.15 * 19 / sd, 0.10 * 19 / sd], rtol=1e-12)
    again = ModelSpec(**card_arguments(card_text(spec)))
    assert again.scales == spec.scales
    # What a model declares itself stands.
    own = Scale(mean=50, sd=5, unit="point")
    assert ModelSpec(FORMULA, scales={"alliance": own}).on_scales_of(cohort).scales == {"alliance": own}
    assert ModelSpec("who5_followup ~ age").on_scales_of(cohort).scales == {}


def test_the_margin_of_ratings_in_a_study_is_a_tenth_of_the_scales_sd() -> None:
    cohort = ab.read_cohort(totals(), instruments={"alliance": "wai_sr"})
    scale = alliance_scale(cohort)
    margin = float(f"{scale.sd / 10:.2g}")
    assert (
        StudyOptions(alliance_margin=margin).reason("alliance_margin", scale).startswith("a tenth of the reference SD")
    )
    assert alliance_scale(ab.read_cohort(rows(30))) == BUILT_IN["alliance"]


def status(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    return int(ended.value.code or 0)


def test_the_command_line_takes_it_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = tmp_path / "wai.csv"
    totals().rename(columns={"alliance": "bond"}).to_csv(table, index=False)
    given = ("validate", str(table), "--map", "alliance=bond")
    assert status(*given) == 1
    said = re.sub(r"\s+", " ", capsys.readouterr().err)
    assert "on which instrument's scale it is: --instrument alliance=wai_sr" in said
    assert status(*given, "--instrument", "alliance=wai_sr") == 0
    assert status(*given, "--instrument", "wai_sr") == 2


@pytest.mark.slow
def test_a_study_takes_the_score_as_it_is() -> None:
    """A study of totals says of each point a twelfth of what the study of mean ratings says."""
    simulated = ab.simulate_cohort(n=500, seed=3).data.drop(columns="who5_change")
    scored = simulated.assign(alliance=12 * simulated["alliance"])
    study = ab.run_study(ab.read_cohort(scored, instruments={"alliance": "wai_sr"}), progress=False)
    # Of the ratings only the part with the model that is compared: the whole study of them is tested with the study.
    ratings = StudyRunner(
        ab.read_cohort(simulated), StudyOptions(), cache=PosteriorCache(None), tell=lambda line: None, progress=False
    )
    PARTS["association"](ratings)
    slopes = {
        name: made.fitted["outcome_everybody"].fit.slopes()[["mean", "sd"]].iloc[0].to_numpy()
        for name, made in (("totals", study), ("ratings", ratings))
    }
    # The prior of the ratings has the reference SD of 0.7, that of the totals the table's own.
    np.testing.assert_allclose(12 * slopes["totals"], slopes["ratings"], rtol=0.1)
