// Handlers use statuses, header fields and query items, and servers TLS settings: with these exports, one import is enough.
@_exported public import HTTPTypes
@_exported public import HTTPWire
@_exported public import TandemTLS
