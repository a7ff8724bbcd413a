"""The whole of it from outside: the command line, a Git repository, real MLServer, real Envoy."""
