import Foundation
import Glibc
import Tandem
import TandemFetch
import Testing

/// A thousand megabytes of zeros are one of gzip.
@Suite(.serialized, .timeLimit(.minutes(1)))
struct DecompressionTests {
    let upstream = Upstream()

    private var megabytesResident: Int {
        let text = (try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8)) ?? ""
        return (Int(text.split(separator: " ").dropFirst().first ?? "0") ?? 0) * Int(getpagesize()) / 1_048_576
    }

    @Test(arguments: Style.allCases) func `a bomb ends at the limit of what it unfolds to`(_ style: Style) async throws {
        var request = FetchRequest(url: upstream.url("/bomb?n=1000"))
        request.maxResponseBytes = 8 * 1024 * 1024
        try await onHub { [request] _ in
            _ = try await FetchClient().get(upstream.url("/gzip?n=1000"))
            let before = megabytesResident
            let error = try await fetchError { try await style.execute(FetchClient(), request) }
            #expect(error?.code == .tooLarge)
            // An array that grew to the limit, and the one before it.
            #expect(megabytesResident - before < 40, "\(before) to \(megabytesResident)")
            try await until { try await upstream.count("disconnects") == 1 }
        }
    }

    @Test(arguments: Style.allCases) func `a bomb that nobody reads is held back`(_ style: Style) async throws {
        var request = FetchRequest(url: upstream.url("/bomb?n=1000"))
        request.maxResponseBytes = .max
        try await onHub { [request] _ in
            _ = try await FetchClient().get(upstream.url("/gzip?n=1000"))
            let before = megabytesResident
            let streams = try await withThrowingTaskGroup(of: FetchStream.self) { group in
                for _ in 0..<4 { group.addTask { try await style.stream(FetchClient(), request) } }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            for stream in streams { try await until { stream.buffered > 200 * 1024 } }
            try await sleep(for: .milliseconds(100))
            // For each stream what libcurl's buffer of 16 KiB unfolds to, at most a thousandfold.
            #expect(megabytesResident - before < 4 * 24, "\(before) to \(megabytesResident)")
            for stream in streams {
                for _ in 0..<50 { _ = try await style.read(stream) }
                stream.close()
            }
            #expect(megabytesResident - before < 4 * 48, "\(before) to \(megabytesResident)")
        }
    }

    @Test(arguments: ["gzip, gzip", "gzip,gzip,gzip", "deflate, gzip"])
    func `codings over one another are refused`(_ coding: String) async throws {
        let url = upstream.url("/bomb?n=1&coding=\(coding.replacing(" ", with: "%20"))")
        let error = try await onHub { _ in try await fetchError { try await FetchClient().get(url) } }
        #expect(error?.code == .transfer && error?.message.contains("codings") == true, "\(String(describing: error))")
    }

    @Test func `a body that is not what it says is an error`() async throws {
        let url = upstream.url("/bomb?n=1&coding=br")
        let error = try await onHub { _ in try await fetchError { try await FetchClient().get(url) } }
        #expect(error?.code == .transfer)
    }
}
