"""The file formats of traces."""
