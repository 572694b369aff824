"""A folder of small pictures, for the functions over DataFrames of one's own."""

from PIL import Image

SHOWN = ("astronaut.png", "chelsea.png", "coffee.png")
SIZE = (160, 120)


def shelve(photographs, folder):
    """Three small photographs, a copy of one, and a file that is no image."""
    folder.mkdir(parents=True)
    for path in photographs:
        if path.name in SHOWN:
            with Image.open(path) as picture:
                small = picture.convert("RGB").resize(SIZE)
            small.save(folder / path.name)
            if path.name == SHOWN[0]:
                small.save(folder / "astronaut.jpeg", quality=92)
    (folder / "notes.jpg").write_text("This is a note that somebody gave the wrong ending.\n")
    return folder


def settings_of(spark):
    """All settings of a session that are set, as text."""
    return sorted(tuple(row) for row in spark.sql("SET").collect())


def names(rows, *columns):
    """The rows as sorted tuples, with file names in place of paths."""
    return sorted(tuple(_named(row[column]) for column in columns) for row in rows)


def _named(value):
    return value.rsplit("/", 1)[-1] if isinstance(value, str) else value
