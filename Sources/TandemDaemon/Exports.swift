// `ConfigReader` and `Logger` are part of the interface of `DaemonContext`.
@_exported public import Configuration
@_exported public import Logging
