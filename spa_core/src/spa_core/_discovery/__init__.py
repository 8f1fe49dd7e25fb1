"""Finding what is installed: plugins through entry points, and the factory that turns URLs into providers."""
