"""The main job, end to end, by the same commands that people type: what ``make run`` and ``make serve`` do."""
