from __future__ import annotations


def check_estimate(run, settings, method, nodes): ...
