"""The program of counted blocks behind the method ``compact``: kinds, ways, columns."""
