"""The catalog: components, their releases, and the facts of every log that this center follows."""
