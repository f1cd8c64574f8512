"""Small models and data that scenarios are made of: built in a second, without any download."""
