"""The rules of the game: what a scheduler is handed, what it may do, and what its schedule takes."""
