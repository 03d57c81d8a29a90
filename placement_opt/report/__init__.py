"""What the command line prints: aligned tables, plain sentences, JSON and CSV. No value is made here, only shown."""
