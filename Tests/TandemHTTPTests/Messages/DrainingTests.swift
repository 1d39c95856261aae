import Tandem
import TandemHTTP
import TandemTesting
import Testing

extension ServerTests {
    struct DrainingTests {
        /// Streams the elements of the queue until the server drains.
        private func events(_ style: Style, _ events: Queue<[UInt8]>) -> Router.AsyncHandler {
            { _ in
                switch style {
                case .blocking:
                    Response(streaming: { writer in
                        try writer.flush()
                        while let event = try writer.draining.cancelling({ try events.get() }) { try writer.write(event) }
                        #expect(writer.draining.hasBegun)
                        try writer.write(Array("bye".utf8))
                    })
                case .async:
                    Response(streaming: { writer in
                        try await writer.flush()
                        while let event = try await writer.draining.cancelling({ try await events.get() }) {
                            try await writer.write(event)
                        }
                        #expect(writer.draining.hasBegun)
                        try await writer.write(Array("bye".utf8))
                    })
                }
            }
        }

        @Test(arguments: Style.allCases)
        func `an endless stream is told about draining, and ends in order`(style: Style) async throws {
            let queue = Queue<[UInt8]>()
            try await withServer(routes: { $0.get("/", events(style, queue)) }) { live in
                let client = try live.connect()
                try client.send(.get, "/")
                _ = try client.receiveHead()
                for event in 1...3 {
                    try queue.put(pattern(event))
                    #expect(try client.receiveChunk()?.count == event)
                }
                #expect(!live.server.draining.hasBegun)
                live.server.stop(grace: .seconds(20))
                #expect(try client.receiveChunk() == Array("bye".utf8))
                #expect(try client.receiveChunk() == nil)
                #expect(try client.receiveUntilEnd().isEmpty)
                try client.close()
                try live.waitUntilEnded()
                #expect(live.server.stopSummary.requestsEnded == 1)
                #expect(live.server.stopSummary.connectionsCut == 0)
                #expect(live.logged(1).map(\.outcome) == [.completed])
            }
        }

        @Test(arguments: Style.allCases)
        func `a client that goes away cancels a stream that waits for draining`(style: Style) async throws {
            try await withServer(routes: { $0.get("/", events(style, Queue())) }) { live in
                let client = try live.connect()
                try client.send(.get, "/")
                _ = try client.receiveHead()
                try client.close(reset: true)
                #expect(live.logged(1).map(\.outcome) == [.cancelled])
                #expect(!live.server.draining.hasBegun)
            }
        }

        @Test(arguments: Style.allCases)
        func `a long poll waits for draining, and answers with Connection: close`(style: Style) async throws {
            let started = Count()
            try await withServer(routes: { router in
                switch style {
                case .blocking:
                    router.get("/") { request in
                        #expect(throws: TandemError(.timedOut, "")) {
                            try request.draining.wait(deadline: .after(.milliseconds(1)))
                        }
                        started.add()
                        try request.draining.wait()
                        return Response(text: "nothing new")
                    }
                case .async:
                    router.get("/") { request in
                        await #expect(throws: TandemError(.timedOut, "")) {
                            try await request.draining.wait(deadline: .after(.milliseconds(1)))
                        }
                        started.add()
                        try await request.draining.wait()
                        return Response(text: "nothing new")
                    }
                }
            }) { live in
                let client = try live.connect()
                try client.send(.get, "/")
                #expect(eventually { started.value == 1 })
                live.server.stop(grace: .seconds(20))
                let answer = try client.receiveResponse()
                #expect(answer.text == "nothing new")
                #expect(answer.closes)
                try client.close()
                try live.waitUntilEnded()
            }
        }

        @Test
        func `an operation raced with draining returns its value or error, even if it ignores its cancellation`() async throws {
            let server = HTTPServer(router: Router())
            let draining = server.draining
            let first = try await draining.cancelling { 1 }
            #expect(first == 1)
            await #expect(throws: HTTPError.self) {
                let none: Int? = try await draining.cancelling { throw HTTPError(.gone, "") }
                #expect(none == nil)
            }
            let (begun, stubborn) = (Event<Void>(), Event<Int>())
            async let late = draining.cancelling {
                begun.send(())
                return try await Task { try await stubborn.wait() }.value
            }
            try await begun.wait()
            server.stop()
            try await server.run()
            #expect(draining.hasBegun)
            stubborn.send(2)
            let value = try await late
            #expect(value == 2)
            let none: Void? = try await draining.cancelling { Issue.record("it has begun") }
            #expect(none == nil)
            try await draining.wait()
        }
    }
}
