"""A bundle: what a reader takes away from a page, as files that other programs read."""

from alliance_bayes.report.bundle.writing import check_bundle, write_bundle

__all__ = ["check_bundle", "write_bundle"]
