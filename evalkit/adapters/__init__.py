"""The only places that know a library; one library each. Adapters do not import each other."""
