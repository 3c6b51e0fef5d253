"""At home in frameworks: one module each, with `install(app, trail)` and `routes(app)`."""
