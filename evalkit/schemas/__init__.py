"""JSON Schemas of what leaves the process: datasets, rubrics, scripts, summaries."""
