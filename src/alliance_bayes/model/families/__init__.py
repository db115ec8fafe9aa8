"""Observation families: one object each, in a file of its own; here is which there are."""

from collections.abc import Mapping

from alliance_bayes.errors import ModelError
from alliance_bayes.model.families.bernoulli import Bernoulli
from alliance_bayes.model.families.beta_binomial import BetaBinomial
from alliance_bayes.model.families.binomial import Binomial
from alliance_bayes.model.families.censored_gaussian import CensoredGaussian
from alliance_bayes.model.families.cumulative import Cumulative
from alliance_bayes.model.families.family import Averages, Draws, Family, Outcome, Parameter
from alliance_bayes.model.families.gaussian import Gaussian
from alliance_bayes.model.families.negative_binomial import NegativeBinomial
from alliance_bayes.model.families.poisson import Poisson
from alliance_bayes.model.families.student_t import StudentT
from alliance_bayes.readonly import ReadOnly

__all__ = ["FAMILIES", "Averages", "Draws", "Family", "Outcome", "Parameter", "family_named"]

#: Every family by its name, as messages list them.
FAMILIES: Mapping[str, Family] = ReadOnly(
    {
        family.name: family
        for family in (
            Gaussian(),
            StudentT(),
            CensoredGaussian(),
            BetaBinomial(),
            Cumulative(),
            Bernoulli(),
            Binomial(),
            Poisson(),
            NegativeBinomial(),
        )
    }
)


def family_named(name: str) -> Family:
    """Look a family up.

    Parameters
    ----------
    name
        ``"gaussian"``, say.

    Returns
    -------
    Family
        The one object of that name.

    Raises
    ------
    ModelError
        Unknown name; the message lists the known ones.
    """
    if name not in FAMILIES:
        raise ModelError(f"unknown family {name!r}. Known families: {', '.join(FAMILIES)}.")
    return FAMILIES[name]
