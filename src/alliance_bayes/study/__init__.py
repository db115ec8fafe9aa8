"""The published study's questions, answered on any cohort of that shape."""

from alliance_bayes.study.cards import study_card
from alliance_bayes.study.options import StudyOptions
from alliance_bayes.study.part import Block, Part
from alliance_bayes.study.replication import beside_print
from alliance_bayes.study.study import Study, run_study

__all__ = [
    "Block",
    "Part",
    "Study",
    "StudyOptions",
    "beside_print",
    "run_study",
    "study_card",
]
