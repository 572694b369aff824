"""The jobs, a file each: its ``run`` takes the settings, calls the library and says what came of it."""
