"""The distributed pipeline: DataFrame in, DataFrame out. Needs the extra ``spark``."""
