// Handlers use statuses, header fields and query items: with these exports, one import is enough.
@_exported public import HTTPTypes
@_exported public import HTTPWire
