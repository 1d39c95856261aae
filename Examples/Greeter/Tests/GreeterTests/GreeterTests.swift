import TandemDaemon
import TandemHTTP
import TandemTesting
import Testing

@testable import greeter

@Suite(.timeLimit(.minutes(1)))
struct GreeterTests {
    @Test func `the blocking handler greets a guest and signs the book`() async throws {
        try await withTestServer(Greeter.makeRouter()) { client in
            let answer = try await client.get("/legacy/greetings/Ada")
            #expect(answer.status == .ok)
            #expect(answer.text == "Hello, Ada!\n")
            #expect(try await client.get("/greetings").text == #"{"guests":["Ada"]}"#)
        }
    }

    @Test func `the async handler reads and writes JSON`() async throws {
        try await withTestServer(Greeter.makeRouter()) { client in
            let answer = try await client.post(
                "/greetings", headers: [.contentType: "application/json"], body: #"{"guest":"Grace"}"#)
            #expect(answer.status == .created)
            #expect(answer.text == #"{"guest":"Grace","text":"Hello, Grace!"}"#)
        }
    }

    @Test func `a wrong field is refused by its name`() async throws {
        try await withTestServer(Greeter.makeRouter()) { client in
            let answer = try await client.post(
                "/greetings", headers: [.contentType: "application/json"], body: #"{"guest":7}"#)
            #expect(answer.status == .badRequest)
            #expect(answer.text.hasPrefix("guest: "), "\(answer.text)")
        }
    }

    @Test func `settings change the greeting and the size of the book`() async throws {
        let router = try await Greeter.makeRouter(settings: [
            "greeting.salutation": ["Good morning"], "guests.limit": ["1"],
        ])
        try await withTestServer(router) { client in
            let first = try await client.get("/legacy/greetings/Ada")
            #expect(first.text == "Good morning, Ada!\n")
            _ = try await client.get("/legacy/greetings/Grace")
            let guests = try await client.get("/greetings")
            #expect(guests.text == #"{"guests":["Grace"]}"#)
        }
    }

    @Test func `a setting out of range is refused`() async throws {
        await #expect {
            _ = try await Greeter.makeRouter(settings: ["guests.limit": ["0"]])
        } throws: {
            "\($0)".contains("guests.limit: expected a whole number of guests from 1 to 1000000")
        }
    }
}
