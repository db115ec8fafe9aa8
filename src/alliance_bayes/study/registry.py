"""Which parts there are, in the order of the page."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from alliance_bayes.study.association import association
from alliance_bayes.study.change import change
from alliance_bayes.study.course import course
from alliance_bayes.study.families import families
from alliance_bayes.study.latent import latent
from alliance_bayes.study.modality import modality
from alliance_bayes.study.moderation import moderation
from alliance_bayes.study.part import Part
from alliance_bayes.study.ratings import ratings
from alliance_bayes.study.runner import StudyRunner

__all__ = ["PARTS"]

#: What makes each part, by its name; ``parts/<name>.toml`` declares it. One of which the file says everything is made
#: by `partial(whole_part, "<name>")`.
PARTS: Mapping[str, Callable[[StudyRunner], Part]] = {
    "ratings": ratings,
    "change": change,
    "association": association,
    "moderation": moderation,
    "modality": modality,
    "families": families,
    "latent": latent,
    "time": course,
}
