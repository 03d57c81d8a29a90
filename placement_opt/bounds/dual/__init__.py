"""The dual value that proves every bound, its slopes, and the climb along them."""
