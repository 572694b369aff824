"""Pictures made small, bit for bit as Pillow makes them: all sizes from one pass over the pixels."""
