import Foundation
import TandemHTTP
import TandemTesting
import Testing
import TicketModel

extension TestClient {
    /// Creates a ticket.
    func create(_ title: String, cents: Int = 1_200) async throws -> Ticket {
        let answer = try await postJSON("/tickets", #"{"title":"\#(title)","cents":\#(cents)}"#)
        try #require(answer.status == .created, "\(answer)")
        return try answer.decoded()
    }

    func postJSON(_ path: String, _ text: String) async throws -> TestResponse {
        try await post(path, headers: [.contentType: "application/json"], body: .text(text))
    }

    func put(_ bytes: [UInt8], to path: String) async throws -> TestResponse {
        try await execute(.put, path, headers: [.contentType: "application/octet-stream"], body: .bytes(bytes))
    }
}

extension TestResponse {
    /// Decodes the body, which must be JSON.
    func decoded<Value: Decodable>(as type: Value.Type = Value.self) throws -> Value {
        #expect(self[.contentType] == "application/json")
        return try JSONDecoder().decode(Value.self, from: Data(body))
    }

    /// The names of the members of the body.
    func members() throws -> [String] {
        let object = try #require(JSONSerialization.jsonObject(with: Data(body)) as? [String: Any])
        return object.keys.sorted()
    }

    /// The sentence of an answer that is an error.
    func sentence() throws -> String { try decoded(as: Failure.self).error }
}

/// Returns bytes that repeat only after 64 KiB and that a wrong order would change.
func makeBytes(_ count: Int) -> [UInt8] {
    var state: UInt32 = 7
    let block = (0..<65_536).map { _ in
        state = state &* 1_664_525 &+ 1_013_904_223
        return UInt8(state >> 24)
    }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(count)
    while bytes.count < count {
        bytes += block.prefix(count - bytes.count)
        if !bytes.isEmpty { bytes[bytes.count - 1] = UInt8(truncatingIfNeeded: bytes.count >> 16) }
    }
    return bytes
}

/// Returns the checksum of an attachment.
func checksum(_ bytes: [UInt8]) -> String {
    var checksum = Checksum()
    checksum.add(bytes)
    return checksum.text
}
