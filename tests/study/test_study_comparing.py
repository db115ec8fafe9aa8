"""The table of a comparison: short enough for a page, and saying what was scored."""

from __future__ import annotations

import numpy as np
import pandas as pd

from alliance_bayes.checks.comparison import Comparison
from alliance_bayes.report.text import MINUS
from alliance_bayes.study.model_comparison import score_table


def test_what_all_models_share_is_in_the_caption() -> None:
    frame = pd.DataFrame(
        {
            "model": ["spline", "line"],
            "family": ["gaussian"] * 2,
            "elpd": [-7596.2, -7597.5],
            "se": [36.4, 36.5],
            "elpd_difference": [0.0, -1.302],
            "se_difference": [0.0, 1.782],
            "p_loo": [27.8, 25.3],
            "weight": [0.91, 0.09],
            "pareto_k_max": [0.499, 0.434],
            "rows_above_good_k": [0, 0],
            "score": ["density"] * 2,
        }
    )
    comparison = Comparison(frame, "One is better.", ("line", "spline"), np.zeros((3, 2)), np.arange(3))
    table = score_table(comparison, name="scores", what="Line against spline", note="Little.")
    assert table.caption == (
        "Line against spline: leave-one-out log score of the density (ELPD), the better first; stacking weights"
    )
    assert table.headings == (
        "Model", "ELPD", "SE", "ELPD difference", "SE of the difference", "p (LOO)", "Weight", "Pareto k (largest)",
        "Rows above good k",
    )  # fmt: skip
    cells = [cell.replace(MINUS, "-") for cell in table.rows[1]]
    assert cells == ["line", "-7,598", "36.5", "-1.302", "1.782", "25.3", "0.090", "0.434", "0"]
