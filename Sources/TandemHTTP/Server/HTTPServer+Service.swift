public import ServiceLifecycle

/// A server may stand beside others in a `ServiceGroup`: its graceful shutdown is `stop` with the times of the
/// configuration, and cancelling it cuts every connection at once. `run` throws when it cannot listen, which ends the group.
extension HTTPServer: Service {}
