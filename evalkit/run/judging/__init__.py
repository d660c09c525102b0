"""How each kind of tests is run in a sandbox and judged on the host."""
