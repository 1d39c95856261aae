import Foundation
import Glibc
import Tandem
import TandemFetch
import Testing

/// gzip compresses a thousand megabytes of zeros into one.
@Suite(.serialized, .timeLimit(.minutes(1)))
struct DecompressionBombTests {
    let upstream = Upstream()

    private var megabytesResident: Int {
        let text = (try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8)) ?? ""
        return (Int(text.split(separator: " ").dropFirst().first ?? "0") ?? 0) * Int(getpagesize()) / 1_048_576
    }

    private func bomb(_ how: String, megabytes: Int = 1000) -> FetchRequest {
        FetchRequest(url: upstream.url("/bomb?n=\(megabytes)&how=\(how)&coding=\(how == "gzip" ? "gzip" : "deflate")"))
    }

    @Test(arguments: Style.allCases, ["gzip", "deflate", "bare"])
    func `a decompression bomb fails at the limit of decoded bytes`(_ style: Style, _ how: String) async throws {
        var request = bomb(how)
        request.maxResponseBytes = 8 * 1024 * 1024
        try await onHub { [request] _ in
            _ = try await FetchClient().get(upstream.url("/gzip?n=1000"))
            let before = megabytesResident
            let error = try await fetchError { try await style.execute(FetchClient(), request) }
            #expect(error?.code == .tooLarge)
            #expect(error?.message.contains("decodes to over 8388608 bytes; raise `maxResponseBytes`") == true)
            // An array that grew to the limit, and its predecessor.
            #expect(megabytesResident - before < 40, "\(before) to \(megabytesResident)")
            try await until { try await upstream.count("disconnects") == 1 }
        }
    }

    @Test(arguments: Style.allCases, ["gzip", "deflate", "bare"])
    func `an unread decompression bomb is held back`(_ style: Style, _ how: String) async throws {
        var request = bomb(how, megabytes: 32)
        request.maxResponseBytes = .max
        let count = 16
        try await onHub { [request] _ in
            _ = try await FetchClient().get(upstream.url("/gzip?n=1000"))
            let before = megabytesResident
            let streams = try await withThrowingTaskGroup(of: FetchStream.self) { group in
                for _ in 0..<count { group.addTask { try await style.stream(FetchClient(), request) } }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            // The buffer is full, and the rest waits in coded form.
            for stream in streams { try await until { stream.buffered == 256 * 1024 } }
            #expect(megabytesResident - before < count * 2, "\(before) to \(megabytesResident)")
            for stream in streams {
                for _ in 0..<20 {
                    let piece = try await style.read(stream)
                    #expect(piece != nil && stream.buffered <= 256 * 1024)
                }
            }
            // The address sanitizer keeps freed memory for a while, here all pieces that were read.
            if !hasAddressSanitizer {
                #expect(megabytesResident - before < count * 2, "\(before) to \(megabytesResident)")
            }
            for stream in streams { stream.close() }
        }
    }

    /// Bytes received before the limit are decoded while they are read, even after the transfer has ended.
    @Test(arguments: Style.allCases) func `a stream fails at the same limit`(_ style: Style) async throws {
        var request = bomb("gzip", megabytes: 8)
        request.maxResponseBytes = 5 * 1024 * 1024
        try await onHub { [request] hub in
            let stream = try await style.stream(FetchClient(), request)
            var received = 0
            let error = try await fetchError {
                while let piece = try await style.read(stream) { received += piece.count }
            }
            #expect(error?.code == .tooLarge && received <= 5 * 1024 * 1024 && received > 5 * 1024 * 1024 - 32 * 1024)
            #expect(FetchStatistics(of: hub).transfers == 0)
            let again = try await fetchError { try await style.read(stream) }
            #expect(again?.code == .tooLarge)
        }
    }

    @Test(arguments: Style.allCases) func `a late reader gets the whole body`(_ style: Style) async throws {
        let request = bomb("gzip", megabytes: 32)
        try await onHub { hub in
            let stream = try await style.stream(FetchClient(), request)
            try await until { stream.buffered == 256 * 1024 }
            var received = 0
            while let piece = try await style.read(stream) { received += piece.count }
            #expect(received == 32 * 1_048_576)
        }
    }
}

private let hasAddressSanitizer = dlsym(nil, "__asan_init") != nil
