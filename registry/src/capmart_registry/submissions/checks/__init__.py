"""The checks that come with Capmart; they are registered like any other plugin."""
