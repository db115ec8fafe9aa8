"""Models: formula, family, priors and pooling, and the design columns they make of rows."""

from alliance_bayes.model.card import card_arguments, card_text, read_card, write_card
from alliance_bayes.model.columns import Column
from alliance_bayes.model.design import Design, build_design
from alliance_bayes.model.design_rows import PooledFactor, Rows
from alliance_bayes.model.evaluation import described
from alliance_bayes.model.families import FAMILIES, Family, Outcome, family_named
from alliance_bayes.model.formula import Formula, parse_formula
from alliance_bayes.model.priors import Prior, PriorTable, StatedPrior, parse_prior
from alliance_bayes.model.residual import ResidualFactor
from alliance_bayes.model.scales import Scale, scale_of
from alliance_bayes.model.smooth import Smooth
from alliance_bayes.model.spec import Card, ModelSpec

__all__ = [
    "FAMILIES",
    "Card",
    "Column",
    "Design",
    "Family",
    "Formula",
    "ModelSpec",
    "Outcome",
    "PooledFactor",
    "Prior",
    "PriorTable",
    "ResidualFactor",
    "Rows",
    "Scale",
    "Smooth",
    "StatedPrior",
    "build_design",
    "card_arguments",
    "card_text",
    "described",
    "family_named",
    "parse_formula",
    "parse_prior",
    "read_card",
    "scale_of",
    "write_card",
]
