internal import Glibc

/// Looks up the addresses of a host with the system's resolver (`/etc/hosts`, DNS, …), getaddrinfo(3), and suspends until they
/// are known.
///
/// The look-up runs on a thread of `pool`; a numeric address needs no thread. If the caller's task is cancelled or the deadline
/// passes, the wait ends at once, while the system's look-up continues to its own time limit.
///
/// - Parameters:
///   - host: A host name, or a numeric address (IPv6 without brackets).
///   - port: The port of the returned endpoints.
///   - deadline: The time at which the caller stops waiting.
///   - pool: The pool whose threads do the look-up.
/// - Returns: At least one endpoint, without duplicates, in the order in which to try them.
/// - Throws: `TandemError` `nameNotResolved` with the resolver's reason, `invalidArgument` for a name with a zero byte, and the
///   errors of `OffloadPool.run`.
public func resolve(
    host: String, port: UInt16, deadline: Deadline = .never, on pool: OffloadPool = .resolver
) async throws -> [SocketEndpoint] {
    if let known = try endpoints(inDigits: host, port) { return known }
    return try await pool.run(deadline: deadline) { try lookUp(host, port) }
}

/// Looks up the addresses of a host; parks the green thread, or blocks the ordinary OS thread, until they are known. Otherwise
/// the same as the async form.
///
/// - Throws: The errors of the async form; `TandemError` `notOnGreenThread` when called directly in async code, or `wrongTask`.
@available(*, noasync)
#if TANDEM_MIGRATION
@available(*, deprecated, message: "blocking call: make the caller async, and await this [migration: blocking call]")
#endif
public func resolve(
    host: String, port: UInt16, deadline: Deadline = .never, on pool: OffloadPool = .resolver,
    file: StaticString = #fileID, line: UInt = #line
) throws -> [SocketEndpoint] {
    if let known = try endpoints(inDigits: host, port) { return known }
    return try pool.run(deadline: deadline, file: file, line: line) { try lookUp(host, port) }
}

/// Returns the endpoints of a numeric address, without blocking; nil for a name.
private func endpoints(inDigits host: String, _ port: UInt16) throws(TandemError) -> [SocketEndpoint]? {
    // getaddrinfo would look up the text before the zero byte.
    guard !host.utf8.contains(0) else { throw TandemError(.invalidArgument, "the host name contains a zero byte") }
    return try? lookUp(host, port, flags: AI_NUMERICHOST)
}

/// Looks up the addresses. Blocks the thread.
private func lookUp(_ host: String, _ port: UInt16, flags: CInt = 0) throws(TandemError) -> [SocketEndpoint] {
    var hints = addrinfo()
    hints.ai_flags = flags
    // One entry per address, not one per type of socket.
    hints.ai_socktype = CInt(SOCK_STREAM.rawValue)
    var list: UnsafeMutablePointer<addrinfo>?
    let failed = getaddrinfo(host, nil, &hints, &list)
    guard failed == 0 else { throw .nameNotResolved(host, failed, errno: errno) }
    defer { freeaddrinfo(list) }

    var endpoints: [SocketEndpoint] = []
    for entry in sequence(first: list!, next: { $0.pointee.ai_next }) {
        guard let address = entry.pointee.ai_addr,
            let found = SocketAddress(address, length: Int(entry.pointee.ai_addrlen))?.endpoint
        else { continue }
        let endpoint = SocketEndpoint(address: found.address, port: port, zone: found.zone)
        // /etc/hosts may list an address twice.
        if !endpoints.contains(endpoint) { endpoints.append(endpoint) }
    }
    guard !endpoints.isEmpty else { throw .nameNotResolved(host, EAI_NONAME, errno: 0) }
    return endpoints
}

extension TandemError {
    fileprivate static func nameNotResolved(_ host: String, _ code: CInt, errno: CInt) -> TandemError {
        let isSystem = code == EAI_SYSTEM
        let reason = isSystem ? String(cString: strerror(errno)) : String(cString: gai_strerror(code))
        return TandemError(
            .nameNotResolved, "the host \"\(host)\" could not be resolved: \(reason) (getaddrinfo \(code))",
            errno: isSystem ? errno : 0)
    }
}
