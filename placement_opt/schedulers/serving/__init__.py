"""What servers of language models do with their tiers, one a file, mostly on the mechanism of cascades."""
