// A handler speaks of statuses, header fields and query items: one import is enough for it.
@_exported public import HTTPTypes
@_exported public import HTTPWire
