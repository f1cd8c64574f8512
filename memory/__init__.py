"""What is kept between runs: artifacts by content, the run ledger, and outcomes that later runs recall."""
