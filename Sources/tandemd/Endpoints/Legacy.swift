internal import CLegacyFetch
internal import Foundation
internal import FoundationNetworking
internal import Glibc
internal import Tandem
internal import TandemDaemon
internal import TandemFetch
internal import TandemHTTP

/// Blocking code that does not know Tandem: `legacy/sleep?ms=N` calls `usleep`, `legacy/foundation?url=U` calls
/// `Data(contentsOf:)`, and `legacy/curl-easy?url=U` is a C program's use of libcurl. `TandemPatch` makes them wait on the hub; with
/// `legacy.patch: false` each holds its hub.
///
/// curl-easy keeps to the allow-list, the addresses and the time limit of the service's client. It answers when the whole body has
/// arrived, so a body may have at most 1 MiB. `Data(contentsOf:)` has no such limits: it follows each redirect, connects to any
/// address of a name, and reads a body of any length. So it fetches only from allowed origins on this machine, and of the service's
/// own endpoints only those with short answers.
struct Legacy {
    private static let longest = 1 << 20
    private static let shortEndpoints: Set = ["plaintext", "json", "sleep", "whoami"]

    private let context: DaemonContext
    private var client: FetchClient { context.client }

    init(_ context: DaemonContext) { self.context = context }

    func addRoutes(to router: Router) {
        router.get("/blocking/legacy/sleep") { request in
            // At most 600,000,000 µs.
            usleep(UInt32(try request.query.value("ms", as: Int.self, in: 0...600_000)) * 1_000)
            return Response(text: "ok")
        }
        router.get("/blocking/legacy/foundation", fetchByFoundation)
        router.get("/blocking/legacy/curl-easy", fetchByCurl)
    }

    // MARK: Foundation

    @Sendable private func fetchByFoundation(_ request: Request) throws -> Response {
        let url = try url(of: request)
        guard isSafeForFoundation(url) else {
            throw HTTPError(
                .forbidden,
                """
                the URL is refused: Data(contentsOf:) has no limits, so it fetches only from this machine: the endpoints \
                \(Self.shortEndpoints.sorted().joined(separator: ", ")) of this service, and loopback origins that fetch.allow lists
                """)
        }
        // Data(contentsOf:) finds the class that loads http URLs by its name, and a static executable has the class only if something
        // refers to FoundationNetworking.
        _ = URLSession.shared
        // Nothing ends the call early, so this handler leaves it behind after the time limit.
        let load = GreenThread(name: "Data(contentsOf:)") { Result { try Data(contentsOf: URL(string: url.text)!) } }
        do {
            let data = try load.wait(deadline: .after(client.configuration.timeout)).get()
            return Response(headers: .content(ofType: nil), body: [UInt8](data))
        } catch let error as TandemError where error.code == .timedOut {
            throw answer(to: FetchError(.timedOut, "\(url.origin): no answer in time"))
        } catch let error as CocoaError {
            throw answer(
                to: FetchError(.transfer, "\(url.origin): Data(contentsOf:) failed with CocoaError \(error.code.rawValue)"))
        }
    }

    private func isSafeForFoundation(_ url: FetchURL) -> Bool {
        let isLoopback =
            switch url.origin.host {
            case .name(let name): name == "localhost"
            case .address(let address): address.scope == .loopback
            }
        let listed = context.config.stringArray(forKey: "fetch.allow", default: [])
        let path = url.target.prefix { $0 != "?" }.split(separator: "/", omittingEmptySubsequences: false)
        let isShort = path.count == 3 && ["blocking", "async"].contains(path[1]) && Self.shortEndpoints.contains(String(path[2]))
        return isLoopback && (isShort || listed.contains(url.origin.description))
    }

    // MARK: libcurl

    @Sendable private func fetchByCurl(_ request: Request) throws -> Response {
        let url = try url(of: request)
        let configuration = client.configuration
        let rule = AddressRule(
            policy: configuration.addressPolicy.limited(to: configuration.allowList), host: url.origin.host.description)
        var answer = legacy_fetch_answer()
        defer { legacy_fetch_free(&answer) }
        let outcome = withUnsafePointer(to: rule) { rule in
            (configuration.certificateAuthorities ?? "").withCString { authorities in
                var limits = legacy_fetch_limits(
                    bytes: min(configuration.maxResponseBytes, Self.longest),
                    timeout_ms: Int(configuration.timeout / .milliseconds(1)),
                    connect_timeout_ms: Int(configuration.connectTimeout / .milliseconds(1)),
                    authorities: configuration.certificateAuthorities == nil ? nil : authorities,
                    permits: { rule, address, length in
                        rule.assumingMemoryBound(to: AddressRule.self).pointee.permits(address, length)
                    }, context: rule)
                return legacy_fetch(url.text, &limits, &answer)
            }
        }
        let code: FetchError.Code
        switch outcome {
        case .done:
            return Response(
                status: .init(code: answer.status), headers: .content(ofType: answer.type.map { String(cString: $0) }),
                body: Array(UnsafeBufferPointer(start: answer.body, count: answer.length)))
        case .refused: code = .refused
        case .too_long: code = .tooLarge
        case .timed_out: code = .timedOut
        case .failed: code = .transfer
        }
        // The call ends early when the client has gone, and libcurl reports that as some failure.
        try Task.checkCancellation()
        throw tandemd.answer(to: FetchError(code, "\(url.origin): \(String(cString: answer.error!))"))
    }

    /// Returns the URL that a request names, in canonical form. Throws 400 or 403.
    private func url(of request: Request) throws(HTTPError) -> FetchURL {
        let allowed = try client.request(for: request.query.value("url")).url
        do throws(FetchError) {
            return try FetchURL(allowed)
        } catch {
            throw HTTPError(.badRequest, error.message)
        }
    }
}

/// The addresses to which one fetch may go.
private struct AddressRule {
    let policy: AddressPolicy
    let host: String

    func permits(_ address: UnsafePointer<sockaddr>, _ length: socklen_t) -> Bool {
        guard let endpoint = SocketAddress(address, length: Int(length))?.endpoint else { return false }
        return policy.permits(endpoint, for: host)
    }
}
