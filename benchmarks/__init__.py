"""Speed of Beatstream's parts, as ratios to a reference in the same run."""
