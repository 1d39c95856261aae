import Glibc
import Testing

/// Programs that the compiler checks with the modules of this build.
@Suite(.serialized, .timeLimit(.minutes(2)))
struct SnippetTests {
    @Test
    func `the compiler rejects each call that its closure's style forbids`() throws {
        let snippet = #"""
            import Tandem
            import TandemHTTP

            func register(_ router: Router, _ server: HTTPServer, _ event: Event<Void>) {
                router.get("/1") { request in
                    try await event.wait()
                    try event.wait()  // error: expression is 'async' but is not marked with 'await'
                    return Response()
                }
                router.get("/2") { _ async throws in
                    try event.wait()  // error: expression is 'async' but is not marked with 'await'
                    return Response()
                }
                router.get("/3") { request in
                    try awaiting { try await event.wait() }  // error: 'awaiting' is unavailable from asynchronous contexts
                    return try await answer()
                }
                router.get("/4") { request in
                    try answer()  // error: 'async' call in a function that does not support concurrency
                }
                router.use { request, next in
                    try event.wait()  // error: expression is 'async' but is not marked with 'await'
                    return try await next(request)
                }
                router.use { request, next in
                    _ = try await next(request)
                    return try next(request)  // error: expression is 'async' but is not marked with 'await'
                }
                _ = Response(streaming: { writer in
                    try await writer.write([1])
                    try writer.write([2])  // error: expression is 'async' but is not marked with 'await'
                })
                spawn {
                    try await event.wait()
                    try event.wait()  // error: expression is 'async' but is not marked with 'await'
                }
                server.onShutdown("hook") {
                    try await event.wait()
                    try event.wait()  // error: expression is 'async' but is not marked with 'await'
                }
                router.get("/5", async: { _ in Response() })  // error: extraneous argument label 'async:'
                router.group("/orders") { orders in
                    orders.get("/5") { _ in
                        try await event.wait()
                        try event.wait()  // error: expression is 'async' but is not marked with 'await'
                        return Response()
                    }
                    orders.get("/6") { _ in try event.wait(); return Response() }
                    orders.get("/7") { _ in try await event.wait(); return Response() }
                }
            }

            func answer() async throws -> Response { Response() }
            """#
        let said = try errors(of: snippet)
        for (number, line) in zip(1..., snippet.split(separator: "\n", omittingEmptySubsequences: false)) {
            let expected = line.firstRange(of: "// error: ").map { String(line[$0.upperBound...]) }
            let errors = said.filter { $0.line == number }.map(\.message)
            #expect(errors.count == (expected == nil ? 0 : 1), "\(number): \(line): \(errors)")
            if let expected { #expect(errors.first?.contains(expected) == true, "\(number): \(line): \(errors)") }
        }
    }

    /// The errors that the compiler reports for a program.
    private func errors(of program: String) throws -> [(line: Int, message: String)] {
        let runner = try #require(realpath("/proc/self/exe", nil))
        defer { free(runner) }
        let products = directory(of: String(cString: runner))
        let result = try run(
            "swiftc", "-typecheck", "-swift-version", "6", "-enable-upcoming-feature", "NonisolatedNonsendingByDefault",
            "-diagnostic-style", "llvm", "-I", products + "/Modules", "-I", root + "/Sources/COpenSSL", "-Xcc",
            "-fmodule-map-file=" + products + "/CTandem.build/module.modulemap", "-Xcc",
            "-fmodule-map-file=" + products + "/CHTTPWire.build/module.modulemap", "-", input: program, seconds: 90)
        // <stdin>:7:9: error: …
        let errors = result.all.split(separator: "\n").compactMap { line -> (line: Int, message: String)? in
            let parts = line.split(separator: ":", maxSplits: 4)
            guard parts.count == 5, parts[3] == " error", let number = Int(parts[1]) else { return nil }
            return (number, String(parts[4]))
        }
        try #require(errors.isEmpty == (result.status == 0), "\(result.all)")
        return errors
    }

    /// The package's directory, without symbolic links.
    private var root: String {
        let here = realpath(#filePath, nil)!
        defer { free(here) }
        return directory(of: directory(of: directory(of: String(cString: here))))
    }

    private func directory(of path: String) -> String { String(path[..<path.lastIndex(of: "/")!]) }
}
