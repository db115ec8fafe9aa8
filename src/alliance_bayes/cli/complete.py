"""What a shell completes: choices, cards, estimands, instruments. Asked only while somebody presses the tab key."""

from __future__ import annotations

__all__ = [
    "cards",
    "checks",
    "engines",
    "estimands",
    "families",
    "instruments",
    "populations",
    "prior_sets",
    "roles",
    "samplers",
    "sections",
    "settings",
    "units_of_d",
]


def _beginning(names: object, incomplete: str) -> list[str]:
    return [str(name) for name in names if str(name).startswith(incomplete)]  # type: ignore[attr-defined]


def _after_name(names: object, incomplete: str) -> list[str]:
    """Of NAME=CHOICE the choices, once the name is there."""
    name, equals, begun = incomplete.partition("=")
    return [f"{name}{equals}{choice}" for choice in _beginning(names, begun)] if equals else []


def cards(incomplete: str) -> list[str]:
    """Cards of the package; files are the shell's own matter."""
    from alliance_bayes.model.shipped import shipped_cards

    return _beginning(shipped_cards(), incomplete)


def families(incomplete: str) -> list[str]:
    """Families of outcomes."""
    from alliance_bayes.model import FAMILIES

    return _beginning(FAMILIES, incomplete)


def prior_sets(incomplete: str) -> list[str]:
    """Named sets of priors."""
    from alliance_bayes.model.defaults import PRIOR_SETS

    return _beginning(PRIOR_SETS, incomplete)


def roles(incomplete: str) -> list[str]:
    """FACTOR=ROLE."""
    from alliance_bayes.model.roles import ROLES

    return _after_name(ROLES, incomplete)


def instruments(incomplete: str) -> list[str]:
    """COLUMN=INSTRUMENT, of the catalogue."""
    from alliance_bayes.instruments import INSTRUMENTS

    return _after_name([instrument.name.casefold().replace("-", "_") for instrument in INSTRUMENTS], incomplete)


def engines(incomplete: str) -> list[str]:
    """Engines."""
    return _beginning(("auto", "collapsed", "nuts"), incomplete)


def samplers(incomplete: str) -> list[str]:
    """Samplers of the engine nuts."""
    return _beginning(("nutpie", "pymc", "numpyro", "blackjax"), incomplete)


def estimands(incomplete: str) -> list[str]:
    """Estimands, and once there is a colon their own options."""
    from alliance_bayes.effects import ESTIMANDS

    name, colon, _ = incomplete.partition(":")
    if not colon:
        return _beginning(ESTIMANDS, incomplete)
    options = ESTIMANDS[name].own_options if name in ESTIMANDS else ()
    return [f"{option}=" for option in _beginning((f"{name}:{key}" for key in options), incomplete)]


def populations(incomplete: str) -> list[str]:
    """Over which levels averages are."""
    return _beginning(("average", "sample", "equal", "new"), incomplete)


def units_of_d(incomplete: str) -> list[str]:
    """What Cohen's d is divided by."""
    from alliance_bayes.effects.options import DENOMINATORS

    return _beginning(DENOMINATORS, incomplete)


def checks(incomplete: str) -> list[str]:
    """Checks that come with the package."""
    from alliance_bayes.checks import CHECKS

    return _beginning(CHECKS, incomplete)


def sections(incomplete: str) -> list[str]:
    """Sections of a page."""
    from alliance_bayes.report import SECTIONS

    return _beginning(SECTIONS, incomplete)


def settings(incomplete: str) -> list[str]:
    """Settings of a simulation."""
    import dataclasses

    from alliance_bayes.simulation import SimulationSettings

    return [
        f"{name}=" for name in _beginning((field.name for field in dataclasses.fields(SimulationSettings)), incomplete)
    ]
