"""The right torch for a described machine, and environments as files that load elsewhere."""
