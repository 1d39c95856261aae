// `ConfigReader` and `Logger` belong to the interface of `DaemonContext`.
@_exported public import Configuration
@_exported public import Logging
