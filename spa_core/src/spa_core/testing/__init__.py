"""Tools for proving transports and testing applications; needs the extra ``spa-core[testing]``."""
