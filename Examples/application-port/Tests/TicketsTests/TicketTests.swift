import Foundation
import TandemHTTP
import TandemTesting
import Testing
import TicketModel

/// Tickets over HTTP, in every stage.
@Suite(.serialized, .timeLimit(.minutes(2)))
struct TicketTests {
    @Test(arguments: Stage.allCases)
    func `a ticket that was created can be read`(stage: Stage) async throws {
        try await withService(stage) { client, _, _ in
            let created = try await client.postJSON("/tickets", #"{"title":"Räder","priority":"high","cents":1250}"#)
            #expect(created.status == .created)
            #expect(created[.location] == "/tickets/1")
            #expect(try created.members() == ["cents", "created", "id", "priority", "title"])
            let ticket: Ticket = try created.decoded()
            #expect((ticket.id, ticket.title, ticket.priority, ticket.cents) == (1, "Räder", .high, 1250))
            #expect(ticket.created.wholeMatch(of: /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ/) != nil, "\(ticket.created)")
            let read = try await client.get("/tickets/1")
            #expect(read.status == .ok)
            #expect(try read.decoded() == ticket)
        }
    }

    @Test(arguments: Stage.allCases)
    func `the priority is normal by default, and further members are ignored`(stage: Stage) async throws {
        try await withService(stage) { client, _, _ in
            let created = try await client.postJSON("/tickets", #"{"title":"a","cents":0,"color":"red"}"#)
            #expect(try created.decoded(as: Ticket.self).priority == .normal)
        }
    }

    @Test(arguments: Stage.allCases)
    func `the list has the newest tickets first, in pages`(stage: Stage) async throws {
        try await withService(stage) { client, _, _ in
            let empty = try await client.get("/tickets")
            #expect(try empty.members() == ["generated", "tickets"])
            #expect(try empty.decoded(as: TicketPage.self).tickets.isEmpty)
            for number in 1...25 { _ = try await client.create("\(number)") }
            func ids(_ query: String) async throws -> [Int] {
                try await client.get("/tickets\(query)").decoded(as: TicketPage.self).tickets.map(\.id)
            }
            #expect(try await ids("") == Array((6...25).reversed()))
            #expect(try await ids("?limit=3") == [25, 24, 23])
            #expect(try await ids("?limit=2&before=10") == [9, 8])
            #expect(try await ids("?before=3&limit=100") == [2, 1])
            #expect(try await ids("?before=1") == [])
        }
    }

    @Test(arguments: Stage.allCases)
    func `unknown tickets are not found`(stage: Stage) async throws {
        try await withService(stage) { client, _, _ in
            for path in ["/tickets/7", "/tickets/7/price?currency=CHF", "/tickets/7/attachment"] {
                let answer = try await client.get(path)
                #expect(answer.status == .notFound)
                #expect(try answer.members() == ["error"])
                #expect(try answer.sentence() == "there is no ticket 7")
            }
            for path in ["/tickets/x", "/tickets/0", "/tickets/", "/", "/tickets/1/x"] {
                let answer = try await client.get(path)
                #expect(answer.status == .notFound, "\(path)")
                #expect(try answer.members() == ["error"])
            }
        }
    }

    @Test(arguments: Stage.allCases)
    func `wrong members of a new ticket are named`(stage: Stage) async throws {
        let long = String(repeating: "a", count: 201)
        let wrong = [
            (#"{"cents":1}"#, "title"), (#"{"title":7,"cents":1}"#, "title"), (#"{"title":null,"cents":1}"#, "title"),
            (#"{"title":"","cents":1}"#, "title"), (#"{"title":"\#(long)","cents":1}"#, "title"), (#"{"title":"a"}"#, "cents"),
            (#"{"title":"a","cents":"1"}"#, "cents"), (#"{"title":"a","cents":-1}"#, "cents"),
            (#"{"title":"a","cents":100000001}"#, "cents"),
            (#"{"title":"a","cents":1,"priority":"urgent"}"#, "priority"), (#"{"title":"a","cents":1,"priority":3}"#, "priority"),
        ]
        try await withService(stage) { client, _, _ in
            for (body, member) in wrong {
                let answer = try await client.postJSON("/tickets", body)
                #expect(answer.status == .badRequest, "\(body)")
                #expect(try answer.sentence().hasPrefix(member), "\(body): \(answer.text)")
            }
            #expect(try await client.get("/tickets").decoded(as: TicketPage.self).tickets.isEmpty)
        }
    }

    @Test(arguments: Stage.allCases)
    func `a body that is not JSON is refused`(stage: Stage) async throws {
        try await withService(stage) { client, _, _ in
            for text in ["", "{", #"{"title":"a","cents":1"#, "title=a", "[]", #"{"title":"a","cents":1.5}"#] {
                let answer = try await client.postJSON("/tickets", text)
                #expect(answer.status == .badRequest, "\(text)")
                #expect(try answer.members() == ["error"])
            }
            let form = try await client.post("/tickets", headers: [.contentType: "text/plain"], body: #"{"title":"a","cents":1}"#)
            #expect(form.status == .unsupportedMediaType)
            let untyped = try await client.post("/tickets", body: #"{"title":"a","cents":1}"#)
            #expect(untyped.status == .unsupportedMediaType)
        }
    }

    @Test(arguments: Stage.allCases)
    func `a new ticket of more than 64 KiB is too large`(stage: Stage) async throws {
        try await withService(stage) { client, _, _ in
            let text = #"{"title":"a","cents":1}"# + String(repeating: " ", count: 65_536)
            let answer = try await client.postJSON("/tickets", text)
            #expect(answer.status == .contentTooLarge)
            #expect(try answer.members() == ["error"])
            _ = try await client.create("the next one")
        }
    }

    @Test(arguments: Stage.allCases)
    func `wrong parameters of the query are named`(stage: Stage) async throws {
        let wrong = [
            ("/tickets?limit=0", "limit"), ("/tickets?limit=101", "limit"), ("/tickets?limit=x", "limit"),
            ("/tickets?before=0", "before"), ("/tickets?before=1.5", "before"), ("/tickets/1/price", "currency"),
            ("/tickets/1/price?currency=chf", "currency"), ("/tickets/1/price?currency=CHFX", "currency"),
            ("/tickets/1/price?currency=..%2F", "currency"),
        ]
        try await withService(stage) { client, _, _ in
            for (path, name) in wrong {
                let answer = try await client.get(path)
                #expect(answer.status == .badRequest, "\(path)")
                #expect(try answer.sentence().hasPrefix(name), "\(path): \(answer.text)")
            }
        }
    }

    @Test(arguments: Stage.allCases)
    func `tickets that many clients create at once are all stored`(stage: Stage) async throws {
        try await withService(stage) { client, _, _ in
            let created = try await createTickets(80, with: [client])
            #expect(Set(created.map(\.id)).count == 80)
            let stored = try await client.get("/tickets?limit=100").decoded(as: TicketPage.self).tickets
            #expect(stored.map(\.id) == created.map(\.id).sorted(by: >))
            #expect(Set(stored.map(\.title)) == Set(created.map(\.title)))
        }
    }

    @Test(arguments: Stage.allCases)
    func `two processes on one database lose nothing`(stage: Stage) async throws {
        try await withService(stage) { client, _, directory in
            let other = try await Service.start(stage, in: directory)
            let created = try await createTickets(80, with: [client, other.client])
            #expect(Set(created.map(\.id)).count == 80)
            for client in [client, other.client] {
                let stored = try await client.get("/tickets?limit=100").decoded(as: TicketPage.self).tickets
                #expect(stored.map(\.id) == created.map(\.id).sorted(by: >))
            }
            try await other.stop()
        }
    }

    @Test(arguments: Stage.allCases)
    func `tickets and attachments survive a restart`(stage: Stage) async throws {
        try await withService(stage) { client, service, directory in
            let ticket = try await client.create("a")
            let bytes = makeBytes(300_000)
            #expect(try await client.put(bytes, to: "/tickets/1/attachment").status == .ok)
            try await service.stop()
            let next = try await Service.start(stage, in: directory)
            #expect(try await next.client.get("/tickets/1").decoded() == ticket)
            #expect(try await next.client.get("/tickets/1/attachment").body == bytes)
            #expect(try await next.client.create("b").id == 2)
            try await next.stop()
        }
    }

    @Test(arguments: Stage.allCases)
    func `a ticket that was acknowledged survives SIGKILL`(stage: Stage) async throws {
        try await withService(stage) { client, service, directory in
            let ticket = try await client.create("a")
            try await service.kill()
            let next = try await Service.start(stage, in: directory)
            #expect(try await next.client.get("/tickets/1").decoded() == ticket)
            try await next.stop()
        }
    }
}

/// Creates so many tickets at once.
private func createTickets(_ count: Int, with clients: [TestClient]) async throws -> [Ticket] {
    try await withThrowingTaskGroup(of: Ticket.self) { group in
        for number in 0..<count { group.addTask { try await clients[number % clients.count].create("ticket \(number)") } }
        return try await group.reduce(into: []) { $0.append($1) }
    }
}
