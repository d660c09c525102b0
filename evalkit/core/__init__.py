"""Pure decisions: values in, values out. No clock, file, network, random state, model or container."""
