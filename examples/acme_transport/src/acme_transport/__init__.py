"""SPA over the acme broker, ``acme://host:port``; imports nothing, because the plugin in here must stay light."""
