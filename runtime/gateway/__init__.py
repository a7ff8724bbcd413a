"""The gateway room: Envoy, configured by files."""

from runtime.gateway.envoy import EnvoyGateway

__all__ = ["EnvoyGateway"]
