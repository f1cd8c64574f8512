"""Choose a form for each unit of a model so that size, time and damage stay within their targets."""
