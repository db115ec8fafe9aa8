"""Files of other programs (spreadsheets, SPSS, Stata, SAS, R), read in a process of their own."""

from alliance_bayes.formats.apart import NEEDS, PackageTable, read_apart

__all__ = ["NEEDS", "PackageTable", "read_apart"]
