internal import Logging

/// The server's log handler, with the request's fields added to each line.
///
/// Two words, so that a `Logger` holds it without an allocation.
struct RequestLogHandler: LogHandler {
    private let scope: RequestScope
    /// The server's handler, or a changed copy of it.
    private var box: Box

    private final class Box: Sendable {
        let handler: any LogHandler
        init(_ handler: any LogHandler) { self.handler = handler }
    }

    init(_ server: any LogHandler, _ scope: RequestScope) {
        box = Box(server)
        self.scope = scope
    }

    private var handler: any LogHandler {
        get { box.handler }
        set { box = Box(newValue) }
    }

    var logLevel: Logger.Level {
        get { handler.logLevel }
        set { handler.logLevel = newValue }
    }

    var metadata: Logger.Metadata {
        get { handler.metadata }
        set { handler.metadata = newValue }
    }

    var metadataProvider: Logger.MetadataProvider? {
        get { handler.metadataProvider }
        set { handler.metadataProvider = newValue }
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { handler[metadataKey: key] }
        set { handler[metadataKey: key] = newValue }
    }

    /// Logs the event with the request's fields. Metadata of the logger or of the line takes precedence over them.
    func log(event: LogEvent) {
        let handler = handler
        var event = event
        var metadata = scope.metadata
        for key in metadata.keys where handler[metadataKey: key] != nil { metadata[key] = nil }
        if let own = event.metadata { metadata.merge(own) { _, own in own } }
        event.metadata = metadata
        handler.log(event: event)
    }
}
