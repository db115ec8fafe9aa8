"""Priors as a statistician writes them: ``"Normal(0, 10)"``, in Python and in model cards alike."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from alliance_bayes.errors import ModelError
from alliance_bayes.foreign import number_in
from alliance_bayes.model.scales import LARGEST, TINIEST
from alliance_bayes.notebook import overview, table

__all__ = ["SET", "Prior", "PriorTable", "StatedPrior", "parse_prior"]

# Key of a mapping of priors that names the set which fills the rest.
SET = "set"


@dataclass(frozen=True)
class _Form:
    """What a distribution's arguments are and what it may be used for."""

    arguments: tuple[str, ...]
    positive: frozenset[str]
    support: str  # "real", "positive", "corr" or "simplex"
    scale_arguments: tuple[str, ...]  # those in the parameter's own unit


_FORMS: Mapping[str, _Form] = {
    "Normal": _Form(("mu", "sigma"), frozenset({"sigma"}), "real", ("mu", "sigma")),
    "StudentT": _Form(("nu", "mu", "sigma"), frozenset({"nu", "sigma"}), "real", ("mu", "sigma")),
    "HalfNormal": _Form(("sigma",), frozenset({"sigma"}), "positive", ("sigma",)),
    "HalfStudentT": _Form(("nu", "sigma"), frozenset({"nu", "sigma"}), "positive", ("sigma",)),
    "Exponential": _Form(("lam",), frozenset({"lam"}), "positive", ()),
    "Gamma": _Form(("alpha", "beta"), frozenset({"alpha", "beta"}), "positive", ()),
    "LKJ": _Form(("eta",), frozenset({"eta"}), "corr", ()),
    "Dirichlet": _Form(("a",), frozenset({"a"}), "simplex", ()),
}
_PATTERN = re.compile(r"^\s*([A-Za-z]+)\s*\(([^()]*)\)\s*$")


@dataclass(frozen=True)
class Prior:
    """One prior distribution.

    Parameters
    ----------
    distribution
        Normal(mu, sigma), StudentT(nu, mu, sigma), HalfNormal(sigma), HalfStudentT(nu, sigma), Exponential(lam) with
        rate lam, Gamma(alpha, beta) with rate beta, LKJ(eta) for correlations, Dirichlet(a) for category shares.
    parameters
        Its arguments, in the order above.
    """

    distribution: str
    parameters: tuple[float, ...]

    def __str__(self) -> str:
        return f"{self.distribution}({', '.join(f'{value:.6g}' for value in self.parameters)})"

    @property
    def exact(self) -> str:
        """As text that reads back to the same numbers, digit by digit."""
        return f"{self.distribution}({', '.join(repr(value) for value in self.parameters)})"

    @property
    def support(self) -> str:
        """Where the prior has mass: "real", "positive", "corr" or "simplex"."""
        return _FORMS[self.distribution].support

    @property
    def arguments(self) -> dict[str, float]:
        """The arguments by name."""
        return dict(zip(_FORMS[self.distribution].arguments, self.parameters, strict=True))

    def rescaled(self, factor: float) -> Prior:
        """The prior of ``factor`` times the parameter (factor > 0).

        Parameters
        ----------
        factor
            A positive number.

        Returns
        -------
        Prior
            Of the same kind.
        """
        arguments = self.arguments
        if self.distribution in ("Exponential",):
            return Prior("Exponential", (arguments["lam"] / factor,))
        if self.distribution == "Gamma":
            return Prior("Gamma", (arguments["alpha"], arguments["beta"] / factor))
        scaled = _FORMS[self.distribution].scale_arguments
        return Prior(
            self.distribution,
            tuple(value * factor if name in scaled else value for name, value in arguments.items()),
        )

    def draw(self, rng: np.random.Generator, size: int | tuple[int, ...]) -> np.ndarray:
        """Independent draws of a real or positive parameter, shape ``size``.

        Parameters
        ----------
        rng
            Source of randomness.
        size
            Shape of the draws.

        Returns
        -------
        numpy.ndarray
            In the parameter's unit.

        Raises
        ------
        ModelError
            For LKJ and Dirichlet, which are not scalar distributions.
        """
        p = self.arguments
        match self.distribution:
            case "Normal":
                return rng.normal(p["mu"], p["sigma"], size)
            case "StudentT":
                return p["mu"] + p["sigma"] * rng.standard_t(p["nu"], size)
            case "HalfNormal":
                return np.abs(rng.normal(0.0, p["sigma"], size))
            case "HalfStudentT":
                return np.abs(p["sigma"] * rng.standard_t(p["nu"], size))
            case "Exponential":
                return rng.exponential(1.0 / p["lam"], size)
            case "Gamma":
                return rng.gamma(p["alpha"], 1.0 / p["beta"], size)
        raise ModelError(f"{self} is not a distribution of one number, so no independent draws can be taken from it.")


def parse_prior(text: str | Prior, *, name: str = "prior") -> Prior:
    """Read one prior.

    Parameters
    ----------
    text
        For example ``"Normal(0, 10)"``; a Prior is returned as it is.
    name
        The parameter it is for, used in messages.

    Returns
    -------
    Prior
        The distribution with its parameters.

    Raises
    ------
    ModelError
        Unknown distribution, wrong number of arguments, an argument that is no number, or is too large or small to be
        computed with, or a scale that is not positive.
    """
    if isinstance(text, Prior):
        _check_sizes(text, name)
        return text
    match = _PATTERN.match(text) if isinstance(text, str) else None
    if match is None:
        raise ModelError(
            f"prior of '{name}': {text!r} is not of the form 'Normal(0, 10)'. "
            f"Write a distribution and its numbers; known: {', '.join(_usage())}."
        )
    distribution, inside = match.groups()
    if distribution not in _FORMS:
        raise ModelError(
            f"prior of '{name}': unknown distribution {distribution!r}. Known distributions: {', '.join(_usage())}."
        )
    form = _FORMS[distribution]
    parts = [part.strip() for part in inside.split(",")] if inside.strip() else []
    if len(parts) != len(form.arguments):
        raise ModelError(
            f"prior of '{name}': {distribution} takes {len(form.arguments)} number(s) "
            f"({', '.join(form.arguments)}) but got {len(parts)} in {text!r}."
        )
    values: list[float] = []
    for argument, part in zip(form.arguments, parts, strict=True):
        value = number_in(part)
        if value is None:
            raise ModelError(f"prior of '{name}': {argument} should be a finite number but got {part!r} in {text!r}.")
        if argument in form.positive and value <= 0:
            raise ModelError(f"prior of '{name}': {argument} should be greater than 0 but got {part} in {text!r}.")
        values.append(value)
    prior = Prior(distribution, tuple(values))
    _check_sizes(prior, name)
    return prior


def _check_sizes(prior: Prior, name: str) -> None:
    """Refuse numbers whose squares and products leave those that a computer has."""
    positive = _FORMS[prior.distribution].positive
    for argument, value in prior.arguments.items():
        if abs(value) > LARGEST or (argument in positive and value < TINIEST):
            beyond = f"above {LARGEST:g}" if abs(value) > LARGEST else f"below {TINIEST:g}"
            raise ModelError(
                f"prior of '{name}': {argument} is {value:g} in {prior}, and numbers {beyond} cannot be computed with. "
                "State the prior in the units of the column, or the column in others."
            )


def _usage() -> list[str]:
    return [f"{name}({', '.join(form.arguments)})" for name, form in _FORMS.items()]


@dataclass(frozen=True)
class StatedPrior:
    """A prior together with why it is what it is.

    Parameters
    ----------
    prior
        The distribution.
    reason
        A sentence without its full stop.
    """

    prior: Prior
    reason: str


@dataclass(frozen=True)
class PriorTable(Mapping[str, StatedPrior]):
    """All priors of a model by parameter name, with their reasons; prints as a table.

    Parameters
    ----------
    entries
        Prior and reason by parameter name.
    given
        Those the analyst gave, as given.
    named
        The prior set that filled the rest.
    """

    entries: Mapping[str, StatedPrior]
    given: Mapping[str, Prior] = field(default_factory=dict)
    named: str = "weak"

    def __getitem__(self, name: str) -> StatedPrior:
        return self.entries[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.entries)

    def __len__(self) -> int:
        return len(self.entries)

    @property
    def is_named_applied(self) -> bool:
        """Whether a prior is that of the named set, whose reason begins with its name."""
        return any(stated.reason.startswith(f"{self.named}: ") for stated in self.entries.values())

    def to_frame(self) -> pd.DataFrame:
        """One row a parameter: parameter, prior, reason (all text).

        Returns
        -------
        pandas.DataFrame
            In the order of the parameters.
        """
        return pd.DataFrame(
            [(name, str(stated.prior), stated.reason) for name, stated in self.entries.items()],
            columns=["parameter", "prior", "reason"],
        )

    def _repr_html_(self) -> str:
        frame = self.to_frame()
        shown = table(list(map(str, frame.columns)), frame.to_numpy().tolist(), words=(0, 1, 2))
        return overview("Priors", (("set", self.named),), shown)

    def __str__(self) -> str:
        names = max((len(name) for name in self.entries), default=0)
        priors = max((len(str(stated.prior)) for stated in self.entries.values()), default=0)
        return "\n".join(
            f"{name:<{names}}  {stated.prior!s:<{priors}}  {stated.reason}" for name, stated in self.entries.items()
        )
