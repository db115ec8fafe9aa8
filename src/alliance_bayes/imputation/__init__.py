"""Imputation: values that were not observed, drawn together with the parameters of a model."""
