"""``python -m alliance_bayes`` is the command line."""

from alliance_bayes.cli import main

main()
