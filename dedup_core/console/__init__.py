"""How jobs are started by hand: the one list of them, from which scripts and the command ``dedup`` come."""
