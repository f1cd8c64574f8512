"""Questions about runs, answered by rule from their trail."""
