import Glibc
import Tandem
import TandemHTTP
import TandemTesting
import Testing

extension ServerTests {
    struct UnixListenerTests {
        let directory = TemporaryDirectory()
        private var path: String { directory.path + "/http.sock" }

        @Test(arguments: Style.allCases)
        func `a unix socket serves both styles, and names its peer unix`(style: Style) async throws {
            let path = path
            try await withServer(
                { $0.addresses = [.unix(path)] }, routes: { $0.on(.get, "/", style) { Response(text: $0.remoteAddress) } }
            ) { live in
                #expect(live.port == 0)
                for _ in 0..<8 {
                    let client = try live.connect(to: .unix(path))
                    for _ in 0..<2 {
                        try client.send(.get, "/")
                        #expect(try client.receiveResponse().text == "unix")
                    }
                }
                #expect(live.logged(16).allSatisfy { $0.remoteAddress == "unix" })
            }
        }

        @Test
        func `several hubs serve one unix socket`() async throws {
            let path = path
            try await withServer(
                {
                    $0.hubs = 2
                    $0.addresses = [.unix(path)]
                }, routes: { $0.plain() }
            ) { live in
                let clients = try (0..<64).map { _ in try live.connect(to: .unix(path)) }
                for client in clients {
                    try client.send(.get, "/")
                    #expect(try client.receiveResponse().text == "ok")
                }
                #expect(try live.connectionCount() == 64)
                live.server.stop(grace: .seconds(10))
                for client in clients { #expect(try client.receiveUntilEnd().isEmpty) }
                try live.waitUntilEnded()
            }
            #expect(directory.names.isEmpty)
        }

        @Test(arguments: Style.allCases)
        func `stop closes idle clients of a unix socket, and answers busy ones`(style: Style) async throws {
            let path = path
            let (event, started) = (Event<Void>(), Count())
            try await withServer(
                { $0.addresses = [.unix(path)] },
                routes: { router in
                    router.plain()
                    router.waiting("/slow", style, for: event, started: started)
                }
            ) { live in
                let idle = try (0..<2).map { _ in try live.connect(to: .unix(path)) }
                for client in idle {
                    try client.send(.get, "/")
                    #expect(try client.receiveResponse().text == "ok")
                }
                let busy = try (0..<2).map { _ in try live.connect(to: .unix(path)) }
                for client in busy { try client.send(.get, "/slow") }
                #expect(eventually { started.value == 2 })
                live.server.stop(grace: .seconds(20))
                for client in idle { #expect(try client.receiveUntilEnd().isEmpty) }
                #expect(throws: TestClientError.self) { try openConnection(to: .unix(path)) }
                event.send(())
                for client in busy {
                    #expect(try client.receiveResponse().closes)
                    #expect(try client.receiveUntilEnd().isEmpty)
                    try client.close()
                }
                try live.waitUntilEnded()
            }
        }

        @Test
        func `the socket's file has the configured mode, whatever the umask, and is removed by stop`() async throws {
            let path = path
            for mode: UInt16 in [0o600, 0o666] {
                try await withServer({ $0.addresses = [.unix(path, mode: mode)] }, routes: { $0.plain() }) { live in
                    var status = stat()
                    #expect(lstat(path, &status) == 0)
                    #expect(status.st_mode == S_IFSOCK | mode_t(mode))
                }
                #expect(directory.names.isEmpty)
            }
        }

        @Test
        func `a socket file left by a killed process is replaced`() async throws {
            let path = path
            close(try boundUnixSocket(path, listens: true))
            #expect(directory.names == ["http.sock"])
            try await withServer({ $0.addresses = [.unix(path)] }, routes: { $0.plain() }) { live in
                let client = try live.connect(to: .unix(path))
                try client.send(.get, "/")
                #expect(try client.receiveResponse().text == "ok")
            }
        }

        @Test
        func `a socket file of a listening process is not replaced`() async throws {
            let path = path
            let fd = try boundUnixSocket(path, listens: true)
            defer { close(fd) }
            let error = try #require(await TCPListenerTests.failure { $0.addresses = [.unix(path)] })
            #expect(error.errno == EADDRINUSE)
            #expect(
                error.message
                    == "cannot listen on unix:\(path): bind: a process listens there already: stop it, or choose another path")
            try await TestConnection.connect(to: .unix(path)).close()
        }

        @Test
        func `a file that is not a socket is not replaced`() async throws {
            let path = directory.write("http.sock", "precious")
            let error = try #require(await TCPListenerTests.failure { $0.addresses = [.unix(path)] })
            #expect(error.errno == EADDRINUSE)
            #expect(error.message.contains("a file that is not a socket has that name"))
            #expect(directory.names == ["http.sock"])
        }

        @Test
        func `a stopping server does not remove the socket of another server`() async throws {
            let path = path
            try await withServer({ $0.addresses = [.unix(path)] }, routes: { $0.plain() }) { live in
                unlink(path)
                let fd = try boundUnixSocket(path, listens: true)
                defer { close(fd) }
                live.server.stop(grace: .seconds(1))
                try live.waitUntilEnded()
                #expect(throws: Never.self) { try openConnection(to: .unix(path)).close() }
            }
            #expect(directory.names == ["http.sock"])
        }

        @Test
        func `a path that is too long or in a missing directory is an error that says so`() async throws {
            let long = directory.path + "/" + String(repeating: "x", count: 107 - directory.path.utf8.count)
            let error = try #require(await TCPListenerTests.failure { $0.addresses = [.unix(long)] })
            #expect(error.code == .cannotListen)
            #expect(error.message.contains("the path has 108 bytes, but the path of a unix socket has 1 to 107"))
            let nowhere = try #require(await TCPListenerTests.failure { $0.addresses = [.unix("/nowhere/http.sock")] })
            #expect(nowhere.errno == ENOENT)
            #expect(nowhere.message == "cannot listen on unix:/nowhere/http.sock: bind: No such file or directory")
        }

        @Test
        func `a server listens on the longest possible path`() async throws {
            let path = directory.path + "/" + String(repeating: "x", count: 106 - directory.path.utf8.count)
            try await withServer({ $0.addresses = [.unix(path)] }, routes: { $0.plain() }) { live in
                let client = try live.connect(to: .unix(path))
                try client.send(.get, "/")
                #expect(try client.receiveResponse().text == "ok")
            }
            #expect(directory.names.isEmpty)
        }
    }
}
