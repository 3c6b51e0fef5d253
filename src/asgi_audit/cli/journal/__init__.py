"""The verb `journal`: what waits in journal directories, and how it gets to its sinks without the application."""
