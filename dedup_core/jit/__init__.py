"""Compiled code: what compiles a kernel and keeps it between runs, and a sort that several kernels share."""
