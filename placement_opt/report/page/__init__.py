"""One page about instances: HTML that needs no network and no scripts."""
