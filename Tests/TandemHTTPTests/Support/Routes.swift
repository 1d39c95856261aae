import Tandem
import TandemHTTP

/// The style of a handler under test.
enum Style: String, CaseIterable, Sendable, CustomStringConvertible {
    case blocking, async
    var description: String { rawValue }
    /// The style in the access log.
    var logged: AccessLogEntry.Style { self == .blocking ? .blocking : .async }
}

extension RouteGroup {
    /// Adds a handler that does not wait, in this style.
    func on(
        _ method: HTTPRequest.Method = .get, _ path: String, _ style: Style,
        _ answer: @escaping @Sendable (Request) throws -> Response
    ) {
        switch style {
        case .blocking: on(method, path, answer)
        case .async: on(method, path) { request async throws in try answer(request) }
        }
    }

    /// Adds the one of two handlers that has this style.
    func post(
        _ path: String, _ style: Style, blocking: @escaping @Sendable (Request) throws -> Response,
        async: @escaping @Sendable (Request) async throws -> Response
    ) {
        switch style {
        case .blocking: post(path, blocking)
        case .async: post(path, async)
        }
    }

    /// Adds a route that answers "ok" at once.
    func plain(_ path: String = "/", _ style: Style = .async) { on(.get, path, style) { _ in Response(text: "ok") } }

    /// Adds a route that answers "ok" after this time.
    func sleeping(_ path: String, _ style: Style, milliseconds: Int) {
        let duration = Duration.milliseconds(milliseconds)
        switch style {
        case .blocking:
            get(path) { _ in
                try sleep(for: duration)
                return Response(text: "ok")
            }
        case .async:
            get(path) { _ in
                try await sleep(for: duration)
                return Response(text: "ok")
            }
        }
    }

    /// Adds a route that answers "ok" after the event, and counts its calls in `started`.
    func waiting(_ path: String, _ style: Style, for event: Event<Void>, started: Count = Count()) {
        switch style {
        case .blocking:
            get(path) { _ in
                started.add()
                try event.wait()
                return Response(text: "ok")
            }
        case .async:
            get(path) { _ in
                started.add()
                try await event.wait()
                return Response(text: "ok")
            }
        }
    }

    /// Adds a route that collects the body and answers with it.
    func collecting(_ path: String = "/", _ style: Style, upTo limit: Int = 1 << 30) {
        switch style {
        case .blocking: post(path) { Response(body: try $0.body.collect(upTo: limit)) }
        case .async: post(path) { Response(body: try await $0.body.collect(upTo: limit)) }
        }
    }

    /// Adds a route that streams the body back while it reads.
    func echoing(_ path: String = "/", _ style: Style) {
        switch style {
        case .blocking:
            post(path) { request in
                Response(streaming: { writer in
                    while let piece = try request.body.read() { try writer.write(piece) }
                })
            }
        case .async:
            post(path) { request async in
                Response(streaming: { writer in
                    for try await piece in request.body { try await writer.write(piece) }
                })
            }
        }
    }

    /// Adds a route that streams these pieces.
    func streaming(
        _ path: String = "/", _ style: Style, status: HTTPResponse.Status = .ok, contentLength: Int? = nil, _ pieces: [[UInt8]],
        then end: @escaping @Sendable () throws -> Void = {}
    ) {
        get(path) { _ async in
            switch style {
            case .blocking:
                Response(
                    status: status, contentLength: contentLength,
                    streaming: { writer in
                        for piece in pieces { try writer.write(piece) }
                        try end()
                    })
            case .async:
                Response(
                    status: status, contentLength: contentLength,
                    streaming: { writer in
                        for piece in pieces { try await writer.write(piece) }
                        try end()
                    })
            }
        }
    }
}

/// Returns bytes in which a shift or a loss is visible.
func pattern(_ count: Int) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(count)
    while bytes.count < count { bytes += tile.prefix(count - bytes.count) }
    return bytes
}

// Its length is not a power of two.
private let tile: [UInt8] = (0..<64_507).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) }
