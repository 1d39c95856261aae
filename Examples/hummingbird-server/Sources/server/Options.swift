/// The arguments of the server.
struct Options {
    static let usage = """
        usage: server --partner PORT [--port N] [--hubs N] [--pool N] [--patience-ms N]

          --partner      the port of the partner, on 127.0.0.1
          --port         the port to listen on, on 127.0.0.1; 0, the default, is a free one
          --hubs         the number of hubs that take over Swift's global executor; 0, the default, leaves it alone
          --pool         the number of threads of the pool; 0, the default, is NIO's own pool
          --patience-ms  how long work on the pool waits for other work on the pool; 2000 by default

        """

    var partner: UInt16 = 0
    var port = 0
    var hubs = 0
    var pool = 0
    var patience = Duration.seconds(2)

    /// Reads the arguments. Returns nil if they are wrong.
    init?(_ arguments: [String]) {
        var arguments = arguments[...]
        while let name = arguments.popFirst() {
            guard let value = arguments.popFirst().flatMap({ UInt16($0) }) else { return nil }
            switch name {
            case "--partner": partner = value
            case "--port": port = Int(value)
            case "--hubs": hubs = Int(value)
            case "--pool": pool = Int(value)
            case "--patience-ms": patience = .milliseconds(Int(value))
            default: return nil
            }
        }
        guard partner != 0 else { return nil }
    }
}
