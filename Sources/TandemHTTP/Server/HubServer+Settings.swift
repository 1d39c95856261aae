extension HubServer {
    /// A configuration, and what every request asks of it, found out once: a part that is an existential cannot be looked at
    /// without a copy of all.
    final class Settings {
        let configuration: HTTPServerConfiguration
        let logsAccess: Bool
        let trustsRequestID: Bool
        let returnsRequestID: Bool

        init(_ configuration: HTTPServerConfiguration) {
            self.configuration = configuration
            logsAccess = configuration.accessLog != nil
            trustsRequestID = configuration.observing.trustsRequestID
            returnsRequestID = configuration.observing.returnsRequestID
        }
    }
}
