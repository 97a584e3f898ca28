"""The author's side: projects, checked and packed."""
