import Dispatch
import Foundation
import Tandem
import TandemHTTP
import TandemTesting

@testable import TandemDaemon
@testable import tandemd

/// The directory of Package.swift.
let packageRoot = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().path()

/// A file with this text, deleted with its object.
final class TemporaryFile: Sendable {
    let path: String

    init(_ text: String) throws {
        path = FileManager.default.temporaryDirectory.appending(path: "tandemd-\(UUID().uuidString).yaml").path()
        try write(text)
    }

    /// Replaces the text.
    func write(_ text: String) throws { try Data(text.utf8).write(to: URL(filePath: path)) }

    deinit { try? FileManager.default.removeItem(atPath: path) }
}

/// The keys of tandemd.
let schema = SettingsSchema(of: Tandemd.self)

extension ConfigurationLoader {
    /// A loader for tandemd.
    init(file: String? = nil, options: [String: [String]] = [:], environment: [String: String]) {
        self.init(schema: SettingsSchema(of: Tandemd.self), file: file, options: options, environment: environment)
    }
}

/// The styles of an endpoint, as its path names them.
enum Style: String, Sendable, CaseIterable { case blocking, async }

/// A stopwatch, which starts when it is created.
struct Stopwatch: Sendable {
    private let start = ContinuousClock.now
    var elapsed: Duration { ContinuousClock.now - start }
}

/// A response for routes that a test adds.
let ok = Response(text: "ok")

/// Returns the common name of the certificate that a server on this port presents.
func servedName(port: Int) async throws -> String? {
    let connection = try await TestConnection.connect(to: .tcp(port: port), TestConnectionOptions(tls: TestTLS(serverName: nil)))
    let name = connection.tls?.serverSubject
    try await connection.close()
    return name
}

/// Returns whether a name resolves, to an address that is not public.
func resolvesToPrivate(_ name: String) -> Bool {
    var found: UnsafeMutablePointer<addrinfo>?
    guard getaddrinfo(name, nil, nil, &found) == 0, let found else { return false }
    defer { freeaddrinfo(found) }
    var text = [CChar](repeating: 0, count: Int(NI_MAXHOST))
    getnameinfo(found.pointee.ai_addr, found.pointee.ai_addrlen, &text, socklen_t(text.count), nil, 0, NI_NUMERICHOST)
    let numeric = String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    return IPAddress(numeric).map { $0.scope != .global } ?? false
}

/// Holds a hub until the semaphore is signalled.
func hold(_ hub: Hub, _ release: DispatchSemaphore) async throws {
    let held = Event<Void>()
    hub.spawn {
        held.send(())
        block(release)
    }
    try await held.wait()
}

/// Blocks the OS thread, and with it the hub.
private let block: @Sendable (DispatchSemaphore) -> Void = { wait($0) }

@available(*, noasync)
private func wait(_ semaphore: DispatchSemaphore) { semaphore.wait() }
