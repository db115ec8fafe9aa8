"""A thinned fit: every so-many-th draw, and nothing else changed."""

from __future__ import annotations

import numpy as np
import pytest

from alliance_bayes.errors import UsageError
from builders import fitted, rows


def test_every_third_draw_is_kept() -> None:
    fit = fitted(rows(40, countries=3), chains=2, draws=20)
    thin = fit.thinned(3)
    assert thin.shape == (2, 7)
    assert type(thin) is type(fit)
    np.testing.assert_array_equal(thin.posterior["beta"].values, fit.posterior["beta"].values[:, ::3])
    # Predictions follow the draws that are kept.
    np.testing.assert_allclose(thin.predict().values, fit.predict().values[:, ::3], rtol=1e-12)


@pytest.mark.parametrize("by", [0, 21, 2.5, True])
def test_what_is_no_step_is_refused(by: object) -> None:
    fit = fitted(rows(40, countries=3), chains=2, draws=20)
    with pytest.raises(UsageError) as caught:
        fit.thinned(by)  # type: ignore[arg-type]
    assert str(caught.value) == f"by should be a whole number from 1 to 20 but got {by!r}."
